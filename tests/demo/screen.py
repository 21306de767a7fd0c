"""What the person sees: a bar for each device, redrawn in place on a terminal, and the table at the end."""
import shutil
import sys

WIDTH = 24
ACTIVE = ("offered", "downloading", "retry_wait", "installing")
ENDED = ("succeeded", "failed", "cancelled", "expired")


def amount(count):
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"


def most_telling(tasks):
    """Of a device's tasks, the one to show: the one under way, else one that waits, else the last to end."""
    def rank(task):
        state = task["state"]
        return 0 if state in ACTIVE else 1 if state == "queued" else 2 if state == "succeeded" else 3
    return min(tasks, key=rank) if tasks else None


def doing(task):
    progress, state = task["progress"], task["state"]
    if state == "queued" and progress["bytes"] > 0:
        return f"gave way, keeps {amount(progress['bytes'])}"
    if state == "downloading":
        return f"downloading at {amount(progress['rate'])}/s"
    if state in ("cancelled", "failed"):
        return f"{state}: {task['reason'] or 'no reason'}"
    return state


def versions(task):
    return f"{task['from_version'] or '?'} -> {task['firmware_version']}"


def bar(device, task, columns):
    if not task:
        return f"{device}  up to date"
    percent = task["progress"]["percent"]
    width = WIDTH if columns >= 110 else WIDTH // 2
    filled = width * percent // 100
    size = f" {amount(task['progress']['size']):>9}" if columns >= 110 else ""
    return (f"{device} {task['priority']:<8} {versions(task):<24} [{'#' * filled}{'.' * (width - filled)}] "
            f"{percent:>3}%{size}  {doing(task)}")


class Bars:
    """On a terminal the lines are redrawn; elsewhere a line is written when its state or its tenth changes."""

    def __init__(self):
        self.live = sys.stdout.isatty()
        self.drawn, self.said = 0, {}

    def draw(self, devices, tasks):
        width = max(map(len, devices))
        shown = {device.ljust(width): most_telling([task for task in tasks if task["device_id"] == device])
                 for device in devices}
        if self.live:
            self.redraw(shown)
            return
        for device, task in shown.items():
            step = task and (task["task_id"], task["state"], task["progress"]["percent"] // 25)
            if step != self.said.get(device):
                self.said[device] = step
                print(bar(device, task, 120), flush=True)

    def redraw(self, shown):
        columns, rows = shutil.get_terminal_size()
        room = max(1, rows - 2)
        if len(shown) > room:
            # Those under way stay in sight.
            order = sorted(shown, key=lambda device: not (shown[device] and shown[device]["state"] in ACTIVE))
            lines = [bar(device, shown[device], columns) for device in order[:room - 1]]
            lines.append(f"... and {len(shown) - room + 1} more devices")
        else:
            lines = [bar(device, task, columns) for device, task in shown.items()]
        up = f"\x1b[{self.drawn}A" if self.drawn else ""
        sys.stdout.write(up + "".join(f"\r\x1b[2K{line[:columns - 1]}\n" for line in lines))
        sys.stdout.flush()
        self.drawn = len(lines)

    def note(self, text):
        """A line that stays; the bars go on below it."""
        print(text, flush=True)
        self.drawn = 0


def table(rows):
    """Rows of text in columns; the first one is the head. Numbers stand at the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    right = [all(row[column].replace(".", "").replace(" ", "").isdigit() or row[column] == "-" for row in rows[1:])
             for column in range(len(rows[0]))]

    def line(cells):
        return "  ".join(cell.rjust(width) if at_right else cell.ljust(width)
                         for cell, width, at_right in zip(cells, widths, right)).rstrip()
    return "\n".join([line(rows[0]), line(["-" * width for width in widths]), *map(line, rows[1:])])
