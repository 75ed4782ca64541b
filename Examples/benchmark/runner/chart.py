"""Charts as SVG, with nothing but text: bars with their figures beside them, and lines over connections."""
from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape

_FONT = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif"
_INK, _FAINT, _GRID, _PAPER = "#1d2733", "#66727f", "#e3e8ec", "#ffffff"
# The dark and the light part of a bar: Tidegate's own, and everyone else's.
_OWN = ("#0b7285", "#74c0cb")
_OTHER = ("#5f6b7a", "#b4bec8")
_LINES = ("#0b7285", "#e8590c", "#5f3dc4", "#2b8a3e", "#c2255c", "#1864ab", "#b08900", "#495057", "#0ca678", "#9c36b5",
          "#862e9c", "#d9480f", "#364fc7", "#5c940d", "#a61e4d", "#087f5b")


@dataclass
class Bar:
    name: str
    values: list[float]
    note: str = ""


@dataclass
class Series:
    name: str
    # Connections, value, and whether the system fell behind.
    points: list[tuple[float, float, bool]]


@dataclass
class Panel:
    title: str
    series: list[Series]


def _width(text: str, size: float) -> float:
    """How wide a text is, more or less: a figure of the usual sans-serif fonts."""
    return len(text) * size * 0.58


def _label(x: float, y: float, text: str, size: float = 12, anchor: str = "start", fill: str = _INK, weight: int = 400) -> str:
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" text-anchor="{anchor}" fill="{fill}"'
            f'{f" font-weight={chr(34)}{weight}{chr(34)}" if weight != 400 else ""}>{escape(text)}</text>')


def _page(width: float, height: float, title: str, parts: list[str]) -> str:
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="{escape(_FONT)}" role="img" aria-label="{escape(title)}">',
        f'<rect width="100%" height="100%" fill="{_PAPER}"/>', *parts, "</svg>", ""])


def _ticks(limit: float, count: int = 5) -> list[float]:
    """Round numbers from 0 to at least `limit`."""
    raw = limit / count
    power = 10 ** math.floor(math.log10(raw))
    step = next(step for step in (1 * power, 2 * power, 2.5 * power, 5 * power, 10 * power) if step >= raw * 0.999)
    return [index * step for index in range(math.ceil(limit / step - 1e-9) + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times the powers of ten around the range; the powers alone when there are many."""
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    factors = (1, 2, 5) if len(exponents) <= 3 else (1,)
    ticks = [factor * 10.0 ** exponent for exponent in exponents for factor in factors]
    first = max((tick for tick in ticks if tick <= low * 1.001), default=ticks[0])
    last = min((tick for tick in ticks if tick >= high * 0.999), default=ticks[-1])
    return [tick for tick in ticks if first <= tick <= last]


def _number(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if value < 1 else f"{value:.1f}"


def _tick_text(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:g}"


def bars(title: str, subtitle: str, unit: str, rows: list[Bar], parts: list[str] | None = None, is_stacked: bool = True) -> str:
    """Horizontal bars, one or several values each: stacked, with their sum beside them, or one under the other."""
    columns = 1 if is_stacked else len(rows[0].values)
    row_height = 28 if columns == 1 else 17 * columns + 12
    left = 34 + max(_width(row.name, 13.5) for row in rows)
    top = 92 if parts else 70
    width, height = 900, top + row_height * len(rows) + 54
    right = width - 24 - max(_width(f"{_number(sum(row.values))}  {row.note}", 12) for row in rows) - 8
    limit = max(sum(row.values) if is_stacked else max(row.values) for row in rows) or 1
    ticks = _ticks(limit)
    scale = (right - left) / ticks[-1]
    bottom = top + row_height * len(rows)
    drawn = [_label(24, 34, title, 18, weight=600), _label(24, 54, subtitle, 12, fill=_FAINT)]
    if parts:
        x = left
        for index, part in enumerate(parts):
            # Each part in both colours: Tidegate's and the others'.
            drawn += [f'<rect x="{x:.1f}" y="68" width="8" height="12" fill="{_OWN[index % 2]}"/>',
                      f'<rect x="{x + 8:.1f}" y="68" width="8" height="12" fill="{_OTHER[index % 2]}"/>',
                      _label(x + 22, 78, part)]
            x += 46 + _width(part, 12)
    for tick in ticks:
        x = left + tick * scale
        drawn += [f'<line x1="{x:.1f}" y1="{top - 4}" x2="{x:.1f}" y2="{bottom + 4}" stroke="{_GRID}"/>',
                  _label(x, bottom + 20, _tick_text(tick), 11, "middle", _FAINT)]
    drawn.append(_label((left + right) / 2, bottom + 40, unit, 12, "middle", _FAINT))
    for index, row in enumerate(rows):
        colours = _OWN if row.name.startswith("tidegate") else _OTHER
        y = top + index * row_height
        weight = 600 if colours is _OWN else 400
        drawn.append(_label(left - 10, y + row_height / 2 + 4, row.name, 13, "end", weight=weight))
        if is_stacked:
            x = left
            opacity = ' opacity="0.45"' if row.note else ""
            for part, value in enumerate(row.values):
                drawn.append(f'<rect x="{x:.1f}" y="{y + 4}" width="{value * scale:.1f}" height="{row_height - 8}" '
                             f'fill="{colours[part % 2]}"{opacity}/>')
                x += value * scale
            drawn.append(_label(x + 8, y + row_height / 2 + 4, _number(sum(row.values)), weight=weight))
            if row.note:
                drawn.append(_label(x + 16 + _width(_number(sum(row.values)), 12), y + row_height / 2 + 4, row.note,
                                    fill="#c92a2a"))
        else:
            for part, value in enumerate(row.values):
                at = y + 6 + part * 17
                drawn += [f'<rect x="{left:.1f}" y="{at}" width="{value * scale:.1f}" height="15" fill="{colours[part % 2]}"/>',
                          _label(left + value * scale + 8, at + 12, _number(value), weight=weight)]
    return _page(width, height, title, drawn)


def lines(title: str, subtitle: str, axis: str, panels: list[Panel]) -> str:
    """Panels side by side over one logarithmic axis; a panel whose values span more than a factor of 12 is logarithmic, too.

    A hollow point marks a system that fell behind. The last panel names the lines of all.
    """
    names = list(dict.fromkeys(series.name for panel in panels for series in panel.series))
    colours = {name: _LINES[index % len(_LINES)] for index, name in enumerate(names)}
    panel_width, panel_height, gap, top, left = 380, 320, 84, 100, 72
    width = left + len(panels) * panel_width + (len(panels) - 1) * gap + 40 + max(_width(name, 12) for name in names)
    drawn = [_label(24, 34, title, 18, weight=600), _label(24, 54, subtitle, 12, fill=_FAINT)]
    xs = sorted({point[0] for panel in panels for series in panel.series for point in series.points})
    low, high = math.log10(xs[0]), math.log10(xs[-1])
    for index, panel in enumerate(panels):
        x0 = left + index * (panel_width + gap)
        drawn += _panel(panel, axis, xs, x0, top, panel_width, panel_height, colours, (low, max(high, low + 0.01)),
                        is_last=index == len(panels) - 1)
    return _page(width, top + panel_height + 60, title, drawn)


def _spread(wanted: list[float], least: float, low: float, high: float) -> list[float]:
    """Moves ascending positions as little as needed for `least` between neighbours, within the bounds while there is room."""
    places = [max(value, low) for value in wanted]
    for index in range(1, len(places)):
        places[index] = max(places[index], places[index - 1] + least)
    if places and places[-1] > high:
        places[-1] = high
        for index in range(len(places) - 2, -1, -1):
            places[index] = min(places[index], places[index + 1] - least)
    return places


def _panel(panel: Panel, axis: str, xs: list[float], x0: float, y0: float, width: float, height: float, colours: dict[str, str],
           x_range: tuple[float, float], is_last: bool) -> list[str]:
    values = [point[1] for series in panel.series for point in series.points]
    if not values:
        return []
    is_log = max(values) / min(values) > 12
    ticks = _log_ticks(min(values), max(values)) if is_log else _ticks(max(values))
    pad = 14

    def x_of(value: float) -> float:
        return x0 + pad + (math.log10(value) - x_range[0]) / (x_range[1] - x_range[0]) * (width - 2 * pad)

    def y_of(value: float) -> float:
        if is_log:
            share = math.log10(value / ticks[0]) / max(math.log10(ticks[-1] / ticks[0]), 0.01)
        else:
            share = value / ticks[-1]
        return y0 + height - share * height

    drawn = [_label(x0, y0 - 14, panel.title + (" (logarithmic)" if is_log else ""), 13, weight=600)]
    for tick in ticks:
        y = y_of(tick)
        drawn += [f'<line x1="{x0}" y1="{y:.1f}" x2="{x0 + width}" y2="{y:.1f}" stroke="{_GRID}"/>',
                  _label(x0 - 8, y + 4, _tick_text(tick), 11, "end", _FAINT)]
    previous = -math.inf
    for value in xs:
        text, x = f"{value:,.0f}", x_of(value)
        drawn.append(f'<line x1="{x:.1f}" y1="{y0 + height}" x2="{x:.1f}" y2="{y0 + height + 4}" stroke="{_FAINT}"/>')
        # Labels that would run into each other are left out.
        if x - _width(text, 11) / 2 > previous:
            drawn.append(_label(x, y0 + height + 18, text, 11, "middle", _FAINT))
            previous = x + _width(text, 11) / 2 + 6
    drawn += [f'<line x1="{x0}" y1="{y0 + height}" x2="{x0 + width}" y2="{y0 + height}" stroke="{_FAINT}"/>',
              _label(x0 + width / 2, y0 + height + 38, axis, 12, "middle", _FAINT)]
    # Tidegate's own lines last, above the others.
    for series in sorted(panel.series, key=lambda series: series.name.startswith("tidegate")):
        colour = colours[series.name]
        own = series.name.startswith("tidegate")
        path = " ".join(f"{x_of(x):.1f},{y_of(y):.1f}" for x, y, _ in series.points)
        drawn.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{2.6 if own else 1.6}" '
                     'stroke-linejoin="round"/>')
        for x, y, is_behind in series.points:
            drawn.append(f'<circle cx="{x_of(x):.1f}" cy="{y_of(y):.1f}" r="{4.2 if own else 3.6}" '
                         f'fill="{_PAPER if is_behind else colour}" stroke="{colour}" stroke-width="1.8"/>')
    if is_last:
        # The names, each beside the end of its line.
        ended = sorted(panel.series, key=lambda series: y_of(series.points[-1][1]))
        places = _spread([y_of(series.points[-1][1]) for series in ended], 16, y0 - 20, y0 + height + 40)
        for series, y in zip(ended, places):
            x, value, _ = series.points[-1]
            colour = colours[series.name]
            drawn += [f'<path d="M{x_of(x) + 6:.1f},{y_of(value):.1f} L{x0 + width + 12:.1f},{y:.1f}" '
                      f'fill="none" stroke="{colour}" stroke-width="0.8" opacity="0.6"/>',
                      _label(x0 + width + 16, y + 4, series.name, 12, fill=colour,
                             weight=600 if series.name.startswith("tidegate") else 400)]
    return drawn
