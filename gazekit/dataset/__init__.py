"""Pictures, masks and ratings joined to one HDF5 dataset."""
