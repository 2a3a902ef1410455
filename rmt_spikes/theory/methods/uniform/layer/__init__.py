"""The spectrum of the trained first layer itself."""
