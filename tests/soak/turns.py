"""Something that is done in turns on a thread of its own, until it is stopped."""

import threading


class Turns(threading.Thread):
    """turn() again and again, pause_s between; the first error ends it and is kept for whoever stops it."""

    def __init__(self, pause_s):
        super().__init__(daemon=True, name=type(self).__name__)
        self.pause_s, self.over, self.error = pause_s, threading.Event(), None

    def turn(self):
        raise NotImplementedError

    def run(self):
        try:
            while not self.over.wait(self.pause_s):
                self.turn()
        except Exception as error:  # told at the end, as a finding
            self.error = error

    def stop(self):
        self.over.set()
        if self.ident is not None:
            self.join(120)
