"""What the theory knows of the population: directions of the teacher and levels of the inputs."""
