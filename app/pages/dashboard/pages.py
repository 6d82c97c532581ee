"""The dashboard's pages, each once: navigation, titles and error pages derive from here."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DashboardPage:
    """One page: its name (also of its template and of its title's text) and its path.

    A page of one thing, such as one answer, has that thing behind its path, and stands in the
    navigation under the page named `below`.
    """

    name: str
    path: str
    below: str | None = None

    @property
    def template(self) -> str:
        """The file that shows it."""
        return f"dashboard/{self.name}.html"

    @property
    def in_navigation(self) -> bool:
        """Whether every page leads to it."""
        return self.below is None


PAGES = {
    page.name: page
    for page in (
        DashboardPage("overview", "/"),
        DashboardPage("journey", "/journey"),
        DashboardPage("experience", "/experience"),
        DashboardPage("follow_ups", "/follow-ups"),
        DashboardPage("comments", "/comments"),
        DashboardPage("decisions", "/decisions"),
        DashboardPage("alerts", "/alerts"),
        DashboardPage("connections", "/connections"),
        DashboardPage("survey", "/surveys/", below="overview"),
        DashboardPage("response", "/responses/", below="follow_ups"),
    )
}
NAVIGATION = tuple((page.name, page.path) for page in PAGES.values() if page.in_navigation)
# Paths of the dashboard that are no page of their own.
_OTHERS = ("/sign-in", "/sign-out", "/figures/")


def is_dashboard(path: str) -> bool:
    """Tell whether a path belongs to the dashboard."""
    paths = [page.path for page in PAGES.values() if page.path != "/"]
    return path == "/" or path.startswith((*paths, *_OTHERS))
