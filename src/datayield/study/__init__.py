"""Plans the grid of cells of a study and runs the stages that compute it."""
