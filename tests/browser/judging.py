"""What a page is judged by: its shape, its words, its weight, and the rules of axe-core."""

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page

AXE = Path(__file__).parent.parent / "interop" / "node_modules" / "axe-core" / "axe.min.js"
OTHER_LANGUAGE = "中文"  # the link that leads there
CHINESE = re.compile(r"[\u3400-\u9fff]+")
LIGHTEST = 100_000
SHAPE = """() => {
  const seen = (one) => one.getClientRects().length > 0 && !one.closest('[aria-hidden=true]');
  const named = (one) => [...(one.labels ?? [])].some((label) => label.textContent.trim()) || one.ariaLabel || one.getAttribute('aria-labelledby')
    || one.textContent.trim() || one.value && one.type === 'submit' || one.querySelector('img[alt]:not([alt=""])');
  const controls = [...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary')].filter(seen);
  const ids = [...document.querySelectorAll('[id]')].map((one) => one.id);
  const words = [document.title, document.body.innerText];
  for (const name of ['alt', 'aria-label', 'placeholder', 'title'])
    for (const one of document.querySelectorAll(`[${name}]`)) if (seen(one)) words.push(one.getAttribute(name));
  return {
    beyond: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    h1: [...document.querySelectorAll('h1')].filter(seen).length,
    title: document.title,
    unnamed: controls.filter((one) => !named(one)).map((one) => one.outerHTML.slice(0, 120)),
    twice: ids.filter((id, at) => ids.indexOf(id) !== at),
    weight: performance.getEntries().reduce((sum, one) => sum + (one.encodedBodySize ?? 0), 0),
    language: document.documentElement.lang,
    words: words.join('\\n'),
  };
}"""
RUN = """async (only) => {
  const found = await axe.run(document, only.length ? { runOnly: only, resultTypes: ['violations'] } : { resultTypes: ['violations'] });
  const places = (one) => one.nodes.slice(0, 4).map((node) => `${node.target} (${node.any[0]?.message ?? ''})`);
  return found.violations.map((one) => `${one.impact}: ${one.id}: ${places(one).join('; ')}`);
}"""


def shape_of(page: Page) -> dict[str, Any]:
    """Return what can be seen of a page's shape, words and weight."""
    shape: dict[str, Any] = page.evaluate(SHAPE)
    return shape


def faults_of_shape(shape: dict[str, Any]) -> list[str]:
    """Tell what is wrong with a page's shape."""
    faults = [f"scrolls sideways by {shape['beyond']} px"] if shape["beyond"] > 0 else []
    faults += [f"{shape['h1']} first headings"] if shape["h1"] != 1 else []
    faults += ["no title of its own"] if not re.fullmatch(r"\S.* · (卡包|Kabao)", shape["title"]) else []
    faults += [f"no name: {control}" for control in shape["unnamed"]]
    faults += [f"id twice: {name}" for name in shape["twice"]]
    return faults


def chinese_left(words: str, data: list[str]) -> list[str]:
    """Return the Chinese on an English page that is nobody's name: `data` are names of people and organisations, shown whole or masked."""
    for name in sorted(data, key=len, reverse=True):
        words = words.replace(name, "")
    masked = "|".join({rf"{re.escape(name[:kept])}\*+" for name in data for kept in (1, 2)})
    return sorted(set(CHINESE.findall(re.sub(masked, "", words))) - {OTHER_LANGUAGE})


def bring_axe(context: BrowserContext) -> None:
    """Put axe-core into every page of a browser, past the pages' policy."""
    if AXE.exists():
        context.add_init_script(path=AXE)


def axe_finds(page: Page, *only: str) -> list[str]:
    """Return what axe-core finds wrong; `only` are rules, all of them unless said."""
    if not AXE.exists():
        pytest.skip("axe-core is not here: run `npm ci` in tests/interop")
    found: list[str] = page.evaluate(RUN, list(only))
    return found
