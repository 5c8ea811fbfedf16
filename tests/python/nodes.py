"""A Ray cluster of several nodes on this machine."""

import contextlib

import ray
from ray.cluster_utils import Cluster

#: The memory of a node for objects: little, so that three nodes fit anywhere.
STORE = 80 << 20


@contextlib.contextmanager
def several_nodes():
    """A head without cores, for the driver, and three nodes with one each, in `nodes`."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": STORE})
    cluster.nodes = [cluster.add_node(num_cpus=1, object_store_memory=STORE) for _ in range(3)]
    cluster.wait_for_nodes()
    ray.init(address=cluster.address, log_to_driver=False)
    try:
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()
