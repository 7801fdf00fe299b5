"""What was seen over time: a text line for the terminal, an SVG file for a reader."""

BARS = "▁▂▃▄▅▆▇█"
WIDTH, HEIGHT, LEFT = 860, 70, 190


def pooled(values, columns):
    """At most so many values: the largest of each stretch."""
    size = max(1, -(-len(values) // columns))
    return [max(values[at:at + size]) for at in range(0, len(values), size)]


def spark(values, columns=40):
    values = pooled(values, columns)
    low, high = min(values), max(values)
    return "".join(BARS[int((value - low) / (high - low) * 7.99)] if high > low else BARS[0] for value in values)


def number(value):
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.{1 if abs(value) >= 1 else 2}f}"


def svg(seconds, curves):
    """curves: [(title, values)], one below the other on one axis of time."""
    bottom = len(curves) * (HEIGHT + 26) + 14
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 20}" height="{bottom + 16}" '
           'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>']
    end = max(seconds[-1], 1)
    for row, (title, values) in enumerate(curves):
        low, high = min(values), max(values)
        top = row * (HEIGHT + 26) + 14
        points = " ".join(f"{LEFT + second / end * WIDTH:.1f},"
                          f"{top + HEIGHT - (value - low) / ((high - low) or 1) * HEIGHT:.1f}"
                          for second, value in zip(seconds, values))
        out += [f'<text x="8" y="{top + HEIGHT / 2}">{title}</text>',
                f'<text x="{LEFT - 6}" y="{top + 10}" text-anchor="end" fill="#666">{number(high)}</text>',
                f'<text x="{LEFT - 6}" y="{top + HEIGHT}" text-anchor="end" fill="#666">{number(low)}</text>',
                f'<rect x="{LEFT}" y="{top}" width="{WIDTH}" height="{HEIGHT}" fill="#f6f6f6"/>',
                f'<polyline points="{points}" fill="none" stroke="#2266aa" stroke-width="1.5"/>']
    for part in range(6):
        out.append(f'<text x="{LEFT + WIDTH * part / 5}" y="{bottom}" text-anchor="middle" fill="#666">'
                   f'{end * part / 5 / 60:.1f} min</text>')
    return "\n".join([*out, "</svg>"]) + "\n"
