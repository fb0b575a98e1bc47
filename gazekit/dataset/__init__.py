"""Pictures, masks and ratings joined to one HDF5 dataset."""

from gazekit.dataset.build import build_dataset
from gazekit.dataset.reader import Dataset, open_dataset
from gazekit.dataset.spec import DatasetSpec

__all__ = ["Dataset", "DatasetSpec", "build_dataset", "open_dataset"]
