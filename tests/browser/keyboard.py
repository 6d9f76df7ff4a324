"""Someone who has a keyboard and nothing else: Tab, Enter, Space, and what they type. At each step the focus must be seen, and go forward."""

from dataclasses import dataclass

from playwright.sync_api import Page

MOST_STEPS = 3000  # the portals of every test that ran before in the same database are on some pages, each with a box of its own
FOCUS = """(selector) => {
  const here = document.activeElement;
  if (!here || here === document.body) return null;
  const style = getComputedStyle(here), box = here.getBoundingClientRect();
  const ring = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
  const before = window.keyboardWasAt;
  window.keyboardWasAt = here;
  return {
    there: here.matches(selector),
    seen: ring && box.width > 0 && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
    forward: !before || !before.isConnected || before === here || Boolean(before.compareDocumentPosition(here) & Node.DOCUMENT_POSITION_FOLLOWING),
    what: here.outerHTML.slice(0, 120),
  };
}"""


@dataclass
class Keyboard:
    """The keyboard before a page."""

    page: Page

    def go_to(self, selector: str) -> None:
        """Press Tab until the focus stands on an element."""
        for _ in range(MOST_STEPS):
            self.page.keyboard.press("Tab")
            at = self.page.evaluate(FOCUS, selector)
            if at is None:  # past the last: the browser's own controls come next, then the page again
                self.page.evaluate("window.keyboardWasAt = null")
                continue
            assert at["seen"], f"the focus is not seen on {self.page.url}: {at['what']}"
            assert at["forward"], f"the focus jumps back on {self.page.url}: {at['what']}"
            if at["there"]:
                return
        raise AssertionError(f"the keyboard does not reach {selector} on {self.page.url}")

    def type(self, selector: str, text: str) -> None:
        """Go to a field, empty it, and type."""
        self.go_to(selector)
        self.page.keyboard.press("Control+A")
        self.page.keyboard.type(text)

    def tick(self, selector: str) -> None:
        """Go to a box or a choice, and press Space."""
        self.go_to(selector)
        self.page.keyboard.press("Space")
        assert self.page.is_checked(selector)

    def choose(self, name: str, number: int) -> None:
        """Go to a set of choices, and move to one of them by the arrows."""
        self.go_to(f"input[name={name}]")
        self.page.keyboard.press("Space")
        for _ in range(number):
            self.page.keyboard.press("ArrowDown")
        assert self.page.is_checked(f"#{name}-{number}")

    def follow(self, selector: str, key: str = "Enter") -> None:
        """Go to a link or a button, press a key, and wait for what it leads to."""
        self.go_to(selector)
        with self.page.expect_navigation():
            self.page.keyboard.press(key)

    def send(self) -> None:
        """Send the form whose field has the focus."""
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")

    def skip_head(self) -> None:
        """Go past the head by the first link of the page."""
        self.page.keyboard.press("Tab")
        assert self.page.evaluate(FOCUS, ".skip")["there"]
        self.page.keyboard.press("Enter")
        self.page.keyboard.press("Tab")
        assert self.page.evaluate("document.querySelector('main').contains(document.activeElement)"), "the first link does not lead past the head"
