# SPDX-License-Identifier: Apache-2.0
"""Import rules that the linter's own contracts cannot say."""

import re
from pathlib import Path

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, output

_ROUTER = re.compile(r"^\w+ = (?:router|APIRouter)\(", re.MULTILINE)
_LIST = "app.routers"


def modules_with_routes() -> set[str]:
    """Return the modules that make a router of their own."""
    root = Path(__file__).parents[1]
    return {
        ".".join(path.relative_to(root).with_suffix("").parts)
        for path in (root / "app").rglob("*.py")
        if _ROUTER.search(path.read_text())
    }


def is_named_so(module: str) -> bool:
    """Tell whether a module is named after its routes."""
    return module.endswith((".routes", "_routes"))


def room(module: str) -> str:
    """Return the room that a module is in, such as `app.pages`."""
    return ".".join(module.split(".")[:2])


class OnlyRoutersTakesRoutes(Contract):
    """A module with routes is imported by `app.routers` alone, and by others of its own room.

    One that is named `routes` or `*_routes` is imported by `app.routers` alone.
    """

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Find the modules that import routes."""
        imports = [
            (importer, module)
            for module in sorted(modules_with_routes() & set(graph.modules))
            for importer in sorted(graph.find_modules_that_directly_import(module))
            if importer != _LIST and (is_named_so(module) or room(importer) != room(module))
        ]
        return ContractCheck(kept=not imports, metadata={"found": imports})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Name each import."""
        for importer, module in check.metadata["found"]:
            output.print_error(f"{importer} imports {module}; only {_LIST} may.")
