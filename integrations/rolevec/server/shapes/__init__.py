"""One file of shapes per dialect: what its requests hold, its answers and its errors."""
