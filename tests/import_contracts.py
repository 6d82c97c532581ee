# SPDX-License-Identifier: Apache-2.0
"""Import rules that the linter's own contracts cannot say."""

from pathlib import Path

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, output


def modules_with_routes() -> set[str]:
    """Return the modules that make routes with `router(…)`."""
    root = Path(__file__).parents[1]
    return {
        ".".join(path.relative_to(root).with_suffix("").parts)
        for path in (root / "app").rglob("*.py")
        if "\nroutes = router(" in path.read_text()
    }


def is_named_so(module: str) -> bool:
    """Tell whether a module is named after its routes."""
    return module.endswith((".routes", "_routes"))


def room(module: str) -> str:
    """Return the room that a module is in, such as `app.pages`."""
    return ".".join(module.split(".")[:2])


class OnlyMainTakesRoutes(Contract):
    """A module with routes is imported by `app.main` alone, and by others of its own room.

    One that is named `routes` or `*_routes` is imported by `app.main` alone.
    """

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Find the modules that import routes."""
        found = [
            (importer, module)
            for module in sorted(modules_with_routes() & set(graph.modules))
            for importer in sorted(graph.find_modules_that_directly_import(module))
            if importer != "app.main" and (is_named_so(module) or room(importer) != room(module))
        ]
        return ContractCheck(kept=not found, metadata={"found": found})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Name each import."""
        for importer, module in check.metadata["found"]:
            output.print_error(f"{importer} imports {module}; only app.main may.")
