"""Root finding and interpolation of a few lines, whose usual library takes longer to load than they take."""
