"""The Jupyter kernel of agad, on ipykernel: it passes cells to an interpreter (interpreter.py) and shows its output.

    python3 kernel.py AGAD -f CONNECTION_FILE

Lua itself, what may be typed, and how values look are known to the interpreter only. One that dies is one error of the
cell; the next cell starts another one.
"""
import base64
import codecs
import signal
import sys
import time

from interpreter import Interpreter
from ipykernel.kernelapp import IPKernelApp
from ipykernel.kernelbase import Kernel

PAUSE = 0.1                                              # seconds for which text is gathered into one message
MOST = {"text": 1_000_000, "pictures": 30_000_000}       # bytes of a cell's output that are shown
TOO_MUCH = "\nnote: this cell gives more than %d MB of %s; the rest is not shown\n"
RESTARTED = "note: a new interpreter, because the last one %s; the values of earlier cells are gone\n"
DIED = "the interpreter %s; the next cell starts a new one"
ABSENT = "agad cannot be started (%s); run agad notebook install again"


def unicode_of(code):
    """A browser may send halves of a surrogate pair, which UTF-8 has not."""
    return code.encode("utf-8", "replace").decode()


class Silence:
    """Shows nothing of what an interpreter prints."""

    def __init__(self, kernel):
        self.interrupted = lambda: kernel.interrupted

    text = message = flush_late = lambda self, *_: None


class Output:
    """Shows what the interpreter prints and draws while a cell runs."""

    def __init__(self, kernel):
        self.kernel = kernel
        self.interrupted = lambda: kernel.interrupted
        self.decoders = {name: codecs.getincrementaldecoder("utf-8")("replace") for name in ("stdout", "stderr")}
        self.stream, self.pending, self.since = "stdout", [], 0.0
        self.left = dict(MOST)
        self.progress = None

    def send(self, kind, **content):
        self.kernel.send_response(self.kernel.iopub_socket, kind, content)

    def text(self, stream, data):
        if not self.room("text", len(data)):
            return
        if stream != self.stream:
            self.flush()
        self.stream = stream
        if not self.pending:
            self.since = time.monotonic()
        self.pending.append(self.decoders[stream].decode(data))

    def flush(self):
        text = "".join(self.pending)
        if text:
            self.send("stream", name=self.stream, text=text)
        self.pending = []

    def flush_late(self):
        if self.pending and time.monotonic() - self.since >= PAUSE:
            self.flush()

    def room(self, what, size):
        """Whether a cell may show so many more bytes; once it may not, a line says so, and the rest is dropped."""
        before = self.left[what]
        self.left[what] -= size
        if self.left[what] >= 0:
            return True
        if before >= 0:
            self.flush()
            self.send("stream", name="stderr", text=TOO_MUCH % (MOST[what] // 1_000_000, what))
        return False

    def message(self, message):
        """Shows a result, a picture or the progress of a training (`worker.lua`)."""
        self.flush()
        kind = message["kind"]
        if kind == "progress":
            self.show_progress(message["text"])
        elif kind in ("result", "picture"):
            data, content = {"text/plain": message.get("text", "a picture")}, message["data"]
            mime = message.get("mime", "image/png")
            if content and self.room("pictures", len(content)):
                data[mime] = content.decode() if mime.endswith("xml") else base64.b64encode(content).decode()
            if message.get("last"):
                self.send("execute_result", data=data, metadata={}, execution_count=self.kernel.execution_count)
            else:
                self.send("display_data", data=data, metadata={})

    def show_progress(self, text):
        """One output a cell, which changes in place."""
        kind = "update_display_data" if self.progress else "display_data"
        self.progress = self.progress or "progress-%d" % time.monotonic_ns()
        self.send(kind, data={"text/plain": text} if text else {}, metadata={}, transient={"display_id": self.progress})


class AgadKernel(Kernel):
    implementation = "agad"
    implementation_version = "0.1.0"
    language_info = {"name": "lua", "version": "5.4", "mimetype": "text/x-lua", "file_extension": ".lua",
                     "pygments_lexer": "lua", "codemirror_mode": "lua"}
    banner = "agad: finds what is wrong in a picture; ? is help"

    program = ""
    interpreter = None
    lost = ""                                            # what happened to the last interpreter

    # SIGINT comes to this process while it deals with a message, and is passed on.
    interrupted = False

    def pre_handler_hook(self):
        self.interrupted = False
        self.saved_sigint_handler = signal.signal(signal.SIGINT, self.on_interrupt)

    def on_interrupt(self, *_):
        self.interrupted = True
        if self.interpreter:
            self.interpreter.interrupt()

    def ask(self, request, show):
        """The answer of the interpreter, which is started if there is none; None if it dies."""
        if self.interpreter and self.interpreter.process.poll() is not None:
            self.forget()
        if not self.interpreter:
            self.interpreter = Interpreter(self.program)
        answer = self.interpreter.ask(request, show)
        if answer is None:
            self.forget()
        return answer

    def forget(self):
        self.interpreter.close()
        self.lost = self.interpreter.fate()
        self.interpreter = None

    async def do_execute(self, code, silent, store_history=True, user_expressions=None, allow_stdin=False, **_):
        show = Silence(self) if silent else Output(self)
        if self.interpreter and self.interpreter.process.poll() is not None:
            self.forget()
        if self.lost and not silent:
            show.text("stderr", (RESTARTED % self.lost).encode())
            self.lost = ""
        request = {"want": "execute", "code": unicode_of(code), "count": self.execution_count}
        try:
            answer = self.ask(request, show)
            failed = answer.get("failed") if answer else {"message": DIED % self.lost}
        except OSError as e:
            failed = {"message": ABSENT % e}
        if not silent:
            show.flush()
        if not failed:
            return {"status": "ok", "execution_count": self.execution_count, "payload": [], "user_expressions": {}}
        message, lines = failed["message"], failed.get("lines", [])
        error = {"ename": failed.get("kind", "no interpreter"), "evalue": message, "traceback": [message, *lines]}
        if not silent:
            self.send_response(self.iopub_socket, "error", error)
        return {"status": "error", "execution_count": self.execution_count, **error}

    def answer(self, want, code, cursor=None):
        try:
            request = {"want": want, "code": unicode_of(code), "cursor": len(code) if cursor is None else cursor}
            return self.ask(request, Silence(self)) or {}
        except OSError:
            return {}

    async def do_complete(self, code, cursor_pos):
        cursor = len(code) if cursor_pos is None else cursor_pos
        answer = self.answer("complete", code, cursor)
        return {"status": "ok", "matches": answer.get("matches", []), "cursor_start": answer.get("from", cursor),
                "cursor_end": cursor, "metadata": {}}

    async def do_inspect(self, code, cursor_pos, detail_level=0, omit_sections=()):
        text = self.answer("inspect", code, cursor_pos).get("text")
        return {"status": "ok", "found": text is not None, "data": {"text/plain": text} if text else {}, "metadata": {}}

    async def do_is_complete(self, code):
        status = self.answer("is_complete", code).get("status", "unknown")
        return {"status": status, "indent": "  "} if status == "incomplete" else {"status": status}

    async def do_shutdown(self, restart):
        if self.interpreter:
            self.interpreter.end()
        return {"status": "ok", "restart": restart}


if __name__ == "__main__":
    AgadKernel.program = sys.argv.pop(1)
    IPKernelApp.launch_instance(kernel_class=AgadKernel)
