"""How a receipt is laid out on paper: what was found, who looked and why, each check, and the code by which anyone may ask whether it is genuine.

It shows what the receipt says, so names of fields and never their values. Pure.
"""

from dataclasses import dataclass

from runtime.languages import Text
from wallet.issuing.documents.canvas import MM, Canvas, lines_of
from wallet.issuing.documents.layouts import A4, GREY, PALE, matrix_of
from wallet.register.licences import CHINA
from wallet.verifying.reading import CheckLine, Reading

MARGIN, LABEL, BOTTOM = 20 * MM, 42 * MM, 24 * MM
ROW, GAP = 26.0, 3 * MM
GOOD, BAD, UNKNOWN, INK = "#0f6b3c", "#a61b1b", "#7a4a00", "#1a1a1a"
INKS = {"fail": BAD, "unknown": UNKNOWN}
TITLE, SCAN = Text("电子证照核验回执", "Receipt of a licence verification"), Text("扫码查验真伪", "Scan: is it genuine?")
HEADS = (Text("回执信息", "The record"), Text("核验步骤", "Checks"), Text("所见项目", "Fields that were seen"))
VERDICT = Text("核验结果", "Verdict")
NO_FIELDS = Text("未查看任何项目", "none")
FOOT = Text(
    "本回执代替证照复印件存档，不含证照内容，仅含其摘要。附件receipt.jws为签名原文，以签名与存证账本为准。",
    "Filed in place of a copy. It holds no content of the licence but its digest; the signed receipt (receipt.jws) travels inside.",
)
UNSEALED = Text("签发时尚未完成存证", "not sealed yet when this was made")


@dataclass(frozen=True, slots=True)
class Paper:
    """What is laid out: the receipt, the address that its code leads to, and its place in the ledger, once it has one."""

    reading: Reading
    address: str
    place: tuple[int, int] | None


def draw(paper: Paper) -> Canvas:
    """Draw a receipt on as many sheets as it takes."""
    flow = _Flow(Canvas())
    _head(flow, paper)
    flow.heading(HEADS[0])
    for label, value in _record(paper):
        flow.row(label, value)
    _seen(flow, paper.reading)
    for number, one in enumerate(paper.reading.also, 2):
        flow.heading(Text(f"第{number}张证照", f"Licence {number}"))
        for label, value in _named([(VERDICT, _joined(one.verdict, one.why)), *_licence(one)]):
            flow.row(label, value)
        _seen(flow, one)
    flow.end()
    return flow.canvas


class _Flow:
    """A place on a sheet that moves down as things are set, and on to another sheet where there is no room."""

    def __init__(self, canvas: Canvas) -> None:
        self.canvas = canvas
        self.y = 0.0
        self._sheet()

    def heading(self, text: Text) -> None:
        self._room(16 * MM)
        self.y += 5 * MM
        with self.canvas.tagged("H2"):
            self.canvas.text(MARGIN, self.y + 11, text.zh, size=12, weight="bold")
            self.canvas.text(MARGIN + 28 * MM, self.y + 11, text.en, size=8.5, colour=GREY)
        self.y += 6 * MM

    def row(self, label: Text, value: Text, *, colour: str = INK, left: float = MARGIN, right: float = A4[0] - MARGIN) -> None:
        """Set a label and its value, each in both languages; a value that both write the same stands once."""
        width = right - left - LABEL
        lines = [(one, 10.0, colour) for one in lines_of(value.zh, size=10, width=width)]
        if value.en and value.en != value.zh:
            lines += [(one, 7.5, GREY) for one in lines_of(value.en, size=7.5, width=width)]
        height = max(sum(size * 1.3 for _, size, _ in lines) + 4, ROW)
        self._room(height)
        with self.canvas.group("TR"):
            with self.canvas.tagged("TH"):
                self.canvas.text(left, self.y + 10, label.zh, size=9.5, colour=GREY)
                self.canvas.text(left, self.y + 19, label.en, size=7, colour=GREY)
            with self.canvas.tagged("TD"):
                at = self.y
                for text, size, ink in lines:
                    at += size * 1.3
                    self.canvas.text(left + LABEL, at - size * 0.3, text, size=size, colour=ink)
        self.y += height
        with self.canvas.decoration():
            self.canvas.line(left, self.y - 2, right, self.y - 2, colour=PALE)

    def beside(self, label: Text, value: Text) -> None:
        """Set another row at the right of the one that was set last, which stood at the left alone."""
        self.y -= ROW
        self.row(label, value, left=A4[0] / 2 + GAP)

    def paragraph(self, text: Text) -> None:
        for written, size, ink in ((text.zh, 10.0, INK), (text.en, 7.5, GREY)):
            for line in lines_of(written, size=size, width=A4[0] - 2 * MARGIN, most=60):
                self._room(size * 1.4)
                with self.canvas.tagged("P"):
                    self.canvas.text(MARGIN, self.y + size, line, size=size, colour=ink)
                self.y += size * 1.4

    def end(self) -> None:
        """Set the foot of the last sheet."""
        with self.canvas.tagged("P"):
            self.canvas.text(MARGIN, A4[1] - 16 * MM, FOOT.zh, size=7.5, colour=GREY)
            self.canvas.text(MARGIN, A4[1] - 12.5 * MM, FOOT.en, size=6.5, colour=GREY)

    def _room(self, height: float) -> None:
        if self.y + height > A4[1] - BOTTOM:
            self._sheet()

    def _sheet(self) -> None:
        self.canvas.add_page(*A4)
        self.y = 18 * MM


def _head(flow: _Flow, paper: Paper) -> None:
    canvas, right, side = flow.canvas, A4[0] - MARGIN, 34 * MM
    said = lines_of(_joined(paper.reading.verdict, paper.reading.why).en, size=9, width=118 * MM)
    more = (len(said) - 1) * 4 * MM
    with canvas.tagged("H1"):
        canvas.text(MARGIN, flow.y + 20, TITLE.zh, size=20, weight="bold")
        canvas.text(MARGIN, flow.y + 34, TITLE.en, size=10, colour=GREY)
    colour = {"valid": GOOD, "unknown": UNKNOWN}.get(paper.reading.mark, BAD)
    with canvas.decoration():
        canvas.rectangle(MARGIN, flow.y + 17 * MM, A4[0] - 2 * MARGIN - side - 8 * MM, 19 * MM + more, line=colour, thick=1.5)
    with canvas.tagged("P"):
        canvas.text(MARGIN + 5 * MM, flow.y + 25 * MM, paper.reading.verdict.zh, size=17, weight="bold", colour=colour)
        for at, line in enumerate(said):
            canvas.text(MARGIN + 5 * MM, flow.y + (32 + 4 * at) * MM, line, size=9, colour=colour)
    with canvas.tagged("Figure", f"二维码，{SCAN.zh} QR code. {SCAN.en}"):
        canvas.squares(right - side, flow.y - 3 * MM, side, matrix_of(paper.address))
    with canvas.tagged("Caption"):
        canvas.centred(flow.y + side - 1 * MM, SCAN.zh, size=8, colour=GREY, within=(right - side, right))
        canvas.centred(flow.y + side + 2 * MM, SCAN.en, size=6.5, colour=GREY, within=(right - side, right))
    flow.y += 38 * MM + more


def _seen(flow: _Flow, reading: Reading) -> None:
    """Set the checks of one licence, and which of its fields were seen."""
    if reading.checks:
        flow.heading(HEADS[1])
        _checks(flow, reading.checks)
    flow.heading(HEADS[2])
    names = [one.label for one in reading.fields]
    flow.paragraph(_listed(names) if names else NO_FIELDS)


def _checks(flow: _Flow, checks: list[CheckLine]) -> None:
    """Set a check of which there is more to say across the sheet, and the others two and two."""
    at_left = False
    for check in checks:
        if check.why is not None:
            flow.row(check.name, _joined(check.result, check.why), colour=INKS.get(check.mark, INK))
            at_left = False
        elif at_left:
            flow.beside(check.name, check.result)
            at_left = False
        else:
            flow.row(check.name, check.result, right=A4[0] / 2 - GAP)
            at_left = True


def _record(paper: Paper) -> list[tuple[Text, Text]]:
    """Return the lines of the record, those that there are."""
    said = paper.reading
    place = Text(f"第{paper.place[0] + 1}条，共{paper.place[1]}条", f"row {paper.place[0] + 1} of {paper.place[1]}") if paper.place else UNSEALED
    lines: list[tuple[Text, Text | str | None]] = [
        *([(Text("一码多证", "Several under one code"), _count(said))] if said.also else []),
        (Text("回执号", "Receipt number"), said.number),
        (Text("核验时间", "Time"), f"{said.at.astimezone(CHINA):%Y-%m-%d %H:%M:%S} (UTC+8)"),
        (Text("方式", "Way"), said.way),
        (Text("用证部门", "Department"), Text(f"{said.verifier.zh}（{said.verifier_code}）", said.verifier.en)),
        (Text("用证系统", "System"), said.cause.get("system") or said.system),
        (Text("事由", "Cause"), said.cause["text"]),
        (Text("事项", "Matter"), " ".join(filter(None, (said.cause.get("matter_name"), said.cause.get("matter")))) or None),
        *_licence(said),
        (Text("所见内容摘要", "Digest of what was seen"), f"SHA-256 {said.digest}"),
        (Text("存证账本", "Ledger"), place),
    ]
    return _named(lines)


def _licence(said: Reading) -> list[tuple[Text, Text | str | None]]:
    """Return the lines of one licence."""
    licence = said.licence
    return [
        (Text("证照", "Licence"), said.licence_name),
        (Text("证照状态", "State"), said.state_name),
        (Text("发证部门", "Issuer"), said.issuer or (licence["issuer"]["code"] if licence else None)),
        (Text("证照标识", "Licence identifier"), licence["identifier"] if licence else None),
    ]


def _count(said: Reading) -> Text:
    names = [one.licence_name or Text("未识别", "not recognised") for one in (said, *said.also)]
    return Text(f"{len(names)}张：{_listed(names).zh}", f"{len(names)}: {_listed(names).en}")


def _named(lines: list[tuple[Text, Text | str | None]]) -> list[tuple[Text, Text]]:
    return [(label, value if isinstance(value, Text) else Text(value, "")) for label, value in lines if value]


def _joined(first: Text, second: Text | None) -> Text:
    return Text(f"{first.zh}：{second.zh}", f"{first.en}: {second.en}") if second else first


def _listed(names: list[Text]) -> Text:
    return Text("、".join(one.zh for one in names), ", ".join(one.en for one in names))
