"""Import rules that the linter's own contracts cannot say."""

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, output


class OnlyMainTakesRoutes(Contract):
    """A module named `routes` or `*_routes` is imported by `app.main` alone."""

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Find the modules that import routes."""
        found = [
            (importer, module)
            for module in sorted(graph.modules)
            if module.rpartition(".")[2] == "routes" or module.endswith("_routes")
            for importer in sorted(graph.find_modules_that_directly_import(module))
            if importer != "app.main"
        ]
        return ContractCheck(kept=not found, metadata={"found": found})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Name each import."""
        for importer, module in check.metadata["found"]:
            output.print_error(f"{importer} imports {module}; only app.main may.")
