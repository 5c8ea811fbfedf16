"""The stores that are compared, each in a file of its own."""

from stores.corpus import Appended, Derived, Generated, Virtual
from stores.hdf5 import Hdf5
from stores.lance_table import Lance
from stores.lmdb_map import Lmdb
from stores.npy import Npy
from stores.parquet import Parquet
from stores.sqlite_rows import SqliteRows
from stores.store import Store
from stores.webdataset_tars import WebDataset
from stores.zarr_shards import Zarr

OURS: list[type[Store]] = [Appended, Generated, Derived, Virtual]
PEERS: list[type[Store]] = [SqliteRows, Lmdb, Hdf5, Parquet, Zarr, Lance, WebDataset, Npy]
STORES = OURS + PEERS
