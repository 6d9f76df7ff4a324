"""What stays covered until its holder asks for it. Pure.

The number of covering marks says nothing of the length of a value, but for names and numbers, whose form is known anyway.
"""

COVER = "******"
LONG_ENOUGH = 10
SHOWN_FIRST, SHOWN_LAST = 3, 4
LONGEST_TAIL = 3


def mask_name(name: str) -> str:
    """Return a person's name with all but its first character covered."""
    return name[:1] + "*" * min(max(len(name) - 1, 1), LONGEST_TAIL)


def mask_number(number: str) -> str:
    """Return a number with its middle covered; a short one is covered whole."""
    if len(number) < LONG_ENOUGH:
        return COVER
    return number[:SHOWN_FIRST] + "*" * (len(number) - SHOWN_FIRST - SHOWN_LAST) + number[-SHOWN_LAST:]
