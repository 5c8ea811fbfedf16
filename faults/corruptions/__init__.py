"""Corruptions: changes of a corpus file, or of the files beside it, as an attacker makes them."""

# Each module registers its corruptions. The order decides the random choices of the campaign.
# isort: off
from corruptions import pages, schemas, rows, companions
from corruptions.registry import CORRUPTIONS
# isort: on

__all__ = ["CONSISTENT", "CORRUPTIONS", "REFUSED", "companions", "pages", "rows", "schemas"]

#: Every command refuses these before SQLite can run anything.
REFUSED = {
    "view_in_place_of_a_table", "view_with_triggers", "virtual_table", "generated_column", "check_that_runs",
    "default_that_runs", "index_that_runs", "index_that_lies", "other_columns", "wrong_types",
    "wrong_types_elsewhere", "broken_schema",
}  # fmt: skip
#: After these the file is another consistent corpus, and records are not compared.
CONSISTENT = {"other_recipe"}
