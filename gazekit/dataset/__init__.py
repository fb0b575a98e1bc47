"""Pictures, masks and ratings joined to one HDF5 dataset."""

from gazekit.dataset.build import build_dataset
from gazekit.dataset.reader import Dataset, open_dataset

__all__ = ["Dataset", "build_dataset", "open_dataset"]
