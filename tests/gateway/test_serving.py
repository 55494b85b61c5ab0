"""The ends and the beginnings of a gateway process: SIGTERM, SIGHUP, certificates, workers, and too few open files."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import signal
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from areplicate.gateway.config.config import read_config
from areplicate.gateway.server import Serving
from areplicate.gateway.tls import Certificate
from areplicate.gateway.workers import Supervisor
from areplicate.local import LocalReplicate
from tests.gateway.process import (
    ASKED,
    MASTER,
    MODELS,
    PATH,
    Gateway,
    config_for,
    cpu_seconds,
    gateway,
    recorded,
)
from tests.lazily import Lazily
from tests.waiting import eventually

trustme: Any = Lazily("trustme")

pytestmark = [pytest.mark.first(50), pytest.mark.filterwarnings("ignore")]
MOMENTS = (0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8)
"""Seconds after the start of a process, before it serves and about then."""


def refuses(running: Gateway) -> bool:
    try:
        running.connect(1).close()
    except (ConnectionRefusedError, TimeoutError) as error:
        return isinstance(error, ConnectionRefusedError)
    return False


@pytest.mark.parametrize("arguments", [(), ("--workers", "2")])
def test_at_the_end_every_request_is_answered_or_refused(
    local: LocalReplicate, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    """What is in flight finishes; a kept connection is told 503 and that it closes; new ones are refused."""
    with gateway(config_for(local), tmp_path, *arguments) as running, ThreadPoolExecutor(5) as threads:
        with running.http() as kept:
            assert kept.get("/v1/models").status_code == 200
            answers = [threads.submit(running.ask, model="patient", stream=i % 2 == 0) for i in range(4)]
            again = threads.submit(ask_again_after_a_stream, running)
            eventually(lambda: len(local.running()) == 5)
            for pid in (*running.workers(), running.process.pid):  # as systemd does
                os.kill(pid, signal.SIGTERM)
            eventually(lambda: refuses(running))
            refused = kept.post(PATH, json=ASKED)
        assert (refused.status_code, refused.headers["connection"]) == (503, "close")
        assert refused.json()["error"]["code"] == "gateway_stopping" and "retry-after" in refused.headers
        assert [answer.result().status_code for answer in answers] == [200] * 4
        assert again.result() == [200, 503], "whose stream ends meanwhile may ask again on its connection"
        assert running.process.wait(10) == 0
        assert '"draining"' in running.log()
    assert recorded(tmp_path).count(200) == 5, "all of it is in the account"


def test_a_second_signal_to_the_parent_of_workers_does_not_wait(
    local: LocalReplicate, tmp_path: Path
) -> None:
    with (
        gateway(config_for(local), tmp_path, "--workers", "2") as running,
        ThreadPoolExecutor(1) as threads,
    ):
        answer = threads.submit(running.ask, model="slow")
        eventually(local.running)
        running.process.send_signal(signal.SIGTERM)
        eventually(lambda: refuses(running))
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(10) == 0
        assert answer.result().json()["error"]["code"] == "gateway_stopping"


def ask_again_after_a_stream(running: Gateway) -> list[int]:
    with running.http() as http:
        bodies = ({**ASKED, "model": "patient", "stream": True}, ASKED)
        return [http.post(PATH, json=body).status_code for body in bodies]


def test_the_end_comes_soon_where_nothing_is_in_flight(local: LocalReplicate, tmp_path: Path) -> None:
    with gateway(config_for(local), tmp_path) as running, running.http() as kept:
        assert kept.get("/v1/models").status_code == 200
        running.process.send_signal(signal.SIGTERM)
        statuses = set()
        try:
            while True:
                statuses.add(kept.post(PATH, json=ASKED).status_code)
        except httpx.TransportError:
            pass
        assert statuses <= {200, 503}
        assert running.process.wait(10) == 0


def test_the_end_is_heard_during_a_restart_pause(local: LocalReplicate, tmp_path: Path) -> None:
    """And the configuration may come from a pipe, as a shell's `<(...)` is one: it can be read once."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    Thread(target=pipe.write_text, args=(json.dumps(config_for(local)),), daemon=True).start()
    with gateway({}, tmp_path / "home", "--workers", "2", "--config", str(pipe)) as running:
        eventually(lambda: running.log().count('"listening"') == 2)
        running.process.send_signal(signal.SIGHUP)
        eventually(lambda: "only a file can be read again" in running.log())
        killed: set[int] = set()
        for _ in range(3):  # quick deaths make the pauses longer
            eventually(lambda: len(set(running.workers()) - killed) == 2)
            for pid in set(running.workers()) - killed:
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
        eventually(lambda: running.log().count("worker died") == 6)
        assert running.stop() == 0
        assert running.log().count("worker started") == 6, "it did not wait for the end of the pause"


def listening(running: Gateway) -> list[list[str]]:
    """The models of each worker that has begun to listen, in their order."""
    lines = [line for line in running.log().splitlines() if '"listening"' in line]
    return [json.loads(line)["models"] for line in lines]


@pytest.mark.parametrize("tidied", [True, False])
def test_a_broken_file_stops_no_worker_from_being_replaced(
    local: LocalReplicate, tmp_path: Path, tidied: bool
) -> None:
    with gateway(config_for(local), tmp_path, "--workers", "2") as running:
        eventually(lambda: running.log().count('"listening"') == 2)
        running.config.write_text("model_list: 3")
        running.process.send_signal(signal.SIGHUP)
        eventually(lambda: "was not reloaded" in running.log())
        [killed, *_] = running.workers()
        if tidied:  # as some do to old files
            shutil.rmtree(str(running.kept_for_workers()))
        files = resource.prlimit(running.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(running.process.pid, resource.RLIMIT_NOFILE, (3, files[1]))
        os.kill(killed, signal.SIGKILL)
        eventually(lambda: "a worker cannot be started" in running.log())
        resource.prlimit(running.process.pid, resource.RLIMIT_NOFILE, files)
        eventually(lambda: listening(running)[2:] == [[model.name for model in MODELS]])
        before = running.log().count("configuration reloaded")  # by the one that was killed, if it came to it
        config = config_for(local)
        config["model_list"] = [{**config["model_list"][0], "model_name": "renamed"}]
        running.config.write_text(json.dumps(config))
        running.process.send_signal(signal.SIGHUP)
        eventually(lambda: running.log().count("configuration reloaded") == before + 2)
        os.kill(running.workers()[0], signal.SIGKILL)
        eventually(lambda: listening(running)[3:] == [["renamed"]])
        assert running.ask(model="renamed").status_code == 200


def test_no_request_fails_where_the_workers_folder_is_deleted(local: LocalReplicate, tmp_path: Path) -> None:
    with gateway(config_for(local), tmp_path, "--workers", "2") as running:
        eventually(lambda: running.log().count('"listening"') == 2)
        shutil.rmtree(str(running.kept_for_workers()))
        assert {running.ask().status_code for _ in range(8)} == {200}
        with running.http() as http:
            assert "areplicate_request_seconds_count" in http.get("/metrics").text


def test_no_key_is_written_into_a_folder_that_another_user_has_put_in_place(
    local: LocalReplicate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anybody may make a folder where it was, once it has been deleted."""
    path = tmp_path / "config.yaml"
    path.write_text(json.dumps(config_for(local)))
    config = read_config(path)
    with socket.socket() as listener:
        supervisor = Supervisor(Serving(path=path), config, listener)
    home = supervisor._home
    with monkeypatch.context() as patched:
        patched.setattr(os, "geteuid", lambda: home.stat().st_uid + 1)
        with pytest.raises(PermissionError, match="replaced by another user"):
            supervisor._keep(config)
        assert not list(home.iterdir())
    home.rmdir()


@pytest.mark.parametrize("arguments", [(), ("--workers", "2")])
def test_sighup_ends_nothing_however_early_it_comes(
    local: LocalReplicate, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    """From the moment at which the command's own code runs; workers are safe before that, too."""
    began = time.monotonic()
    with gateway(config_for(local), tmp_path, *arguments, before=hang_up_blocked, started=False) as running:
        for moment in MOMENTS:
            time.sleep(max(0.0, began + moment - time.monotonic()))
            running.process.send_signal(signal.SIGHUP)
        running.wait(ready=False)
        eventually(lambda: "configuration reloaded" in running.log())
        assert running.ask().status_code == 200
        assert running.stop() == 0
        assert "worker died" not in running.log()


@pytest.mark.parametrize("arguments", [(), ("--workers", "2")])
def test_sigterm_ends_it_however_early_it_comes(
    local: LocalReplicate, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    """As its own handler ends it, or the system does before there is one; no worker is left behind."""

    def stopped_at(moment: float) -> int:
        config, folder = config_for(local), tmp_path / str(moment)
        with gateway(config, folder, *arguments, started=False) as running:
            time.sleep(moment)
            return running.stop(timeout=15)

    with ThreadPoolExecutor(len(MOMENTS)) as threads:
        statuses = list(threads.map(stopped_at, MOMENTS))
    assert set(statuses) <= {0, 143, -signal.SIGTERM}, dict(zip(MOMENTS, statuses, strict=True))
    eventually(lambda: not processes_with(tmp_path))


def test_workers_that_are_not_forked(local: LocalReplicate, tmp_path: Path) -> None:
    """As on macOS: each imports all by itself, and gets what it needs from its parent."""
    program = tmp_path / "serve.py"
    program.write_text(
        "from multiprocessing import get_context\n"
        "from areplicate.gateway import command, workers\n"
        "if __name__ == '__main__':\n"
        "    workers._MULTIPROCESSING = get_context('spawn')\n"
        "    command.serve()\n"
    )
    with gateway(config_for(local), tmp_path, "--workers", "2", program=str(program)) as running:
        eventually(lambda: running.log().count('"listening"') == 2)
        assert {running.ask().status_code for _ in range(4)} == {200}
        running.process.send_signal(signal.SIGHUP)
        eventually(lambda: running.log().count("configuration reloaded") == 2)
        with running.http() as http:
            assert "areplicate_request_seconds_count" in http.get("/metrics").text
        assert running.stop() == 0
        assert "worker died" not in running.log()


def processes_with(folder: Path) -> list[str]:
    """The command lines that name something in the folder."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if str(folder).encode() in (line := file.read_bytes()):
                found.append(line.decode())
    return found


def hang_up_blocked() -> None:
    """As a careful parent does it, and as this gateway's own parent does for its workers."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])


@pytest.mark.parametrize("workers", [1, 2])
def test_https_and_a_renewed_certificate(local: LocalReplicate, tmp_path: Path, workers: int) -> None:
    authority = trustme.CA()
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"

    def renew() -> None:
        issued = authority.issue_cert("127.0.0.1", "localhost")
        cert.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        key.write_bytes(issued.private_key_pem.bytes())

    def served() -> int:
        context = ssl.create_default_context()
        authority.configure_trust(context)
        with (
            running.connect(5) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as tls,
        ):
            found = tls.getpeercert()
            assert found is not None
            return int(str(found["serialNumber"]), 16)

    renew()
    arguments = ("--ssl-certfile", str(cert), "--ssl-keyfile", str(key), "--workers", str(workers))
    with gateway(config_for(local), tmp_path / "home", *arguments) as running:
        assert running.url.startswith("https://")
        # One that still reads the files while they are broken could not serve.
        eventually(lambda: running.log().count('"listening"') == workers)
        assert running.ask().status_code == 200 and running.ask(stream=True).status_code == 200
        first = served()
        with running.connect() as silent:
            silent.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert running.ask().status_code == 200, "one that speaks no TLS holds nobody up"
        renew()
        running.config.write_text("model_list: [")
        running.process.send_signal(signal.SIGHUP)
        eventually(lambda: all(served() != first for _ in range(5)))
        cert.write_text("broken")
        running.process.send_signal(signal.SIGHUP)
        eventually(lambda: "the certificate was not reloaded" in running.log())
        assert running.ask().status_code == 200
        assert "Traceback" not in running.log()


def test_a_certificate_from_a_pipe_is_read_once(local: LocalReplicate, tmp_path: Path) -> None:
    issued = trustme.CA().issue_cert("127.0.0.1")
    pipe, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    os.mkfifo(pipe)
    Thread(target=issued.cert_chain_pems[0].write_to_path, args=(pipe,), daemon=True).start()
    issued.private_key_pem.write_to_path(key)
    arguments = ("--ssl-certfile", str(pipe), "--ssl-keyfile", str(key))
    with gateway(config_for(local), tmp_path / "home", *arguments) as running:
        assert running.url.startswith("https://") and running.ask().status_code == 200


def test_certificates_that_cannot_be_used(tmp_path: Path) -> None:
    authority = trustme.CA()
    issued, other = authority.issue_cert("localhost"), authority.issue_cert("localhost")
    chain, key = issued.cert_chain_pems[0].bytes(), issued.private_key_pem.bytes()
    locked = load_pem_private_key(key, None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
    )
    cases = {
        "has a password, which cannot be asked for: give a key without one": (chain, locked),
        "key values mismatch": (chain, other.private_key_pem.bytes()),
        "PEM lib": (chain, b""),
        "No such file": (chain, None),
    }
    for number, (why, (certificate, private)) in enumerate(cases.items()):
        files = [tmp_path / f"{number}.{kind}" for kind in ("cert", "key")]
        for file, content in zip(files, (certificate, private), strict=True):
            if content is not None:
                file.write_bytes(content)
        with pytest.raises(ValueError, match=rf"cannot be used: (?!\().*{why}.*Give PEM files") as caught:
            Certificate(*files).context()
        assert all(str(file) in str(caught.value) for file in files)


FEW_FILES = (128, 128)


def test_more_silent_connections_than_open_files(local: LocalReplicate, tmp_path: Path) -> None:
    """Those who ask are answered, the processor idles, the log stays small, and the silent are told why they go."""
    with gateway(config_for(local), tmp_path, open_files=FEW_FILES) as running:
        silent: list[socket.socket] = []
        try:
            for _ in range(150):
                silent.append(running.connect(5))
            for _ in range(5):
                assert running.ask().status_code == 200
            log, cpu = len(running.log()), cpu_seconds(running.process.pid)
            time.sleep(1)
            assert cpu_seconds(running.process.pid) - cpu < 0.5
            assert len(running.log()) - log < 2_000
            assert silent[0].recv(100).startswith(b"HTTP/1.1 408 Request Timeout\r\n")
        finally:
            for each in silent:
                each.close()
        assert running.ask().status_code == 200


def deaf_client(running: Gateway) -> socket.socket:
    """Asks for more than the system holds for it, and reads nothing."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(5)
    client.connect(running.address)
    client.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        client.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 100)
    return client


def test_many_requests_at_once_with_few_open_files(local: LocalReplicate, tmp_path: Path) -> None:
    with gateway(config_for(local), tmp_path, open_files=FEW_FILES) as running, ExitStack() as clients:
        began = time.monotonic()
        # Each says what it wants as soon as it is connected: who says nothing for seconds would have to make room.
        several = [clients.enter_context(asking(running, stream=n % 2 == 0)) for n in range(150)]
        assert [status(client) for client in several] == [200] * 150
        deaf = [deaf_client(running) for _ in range(70)]
        with running.http(timeout=50) as http:  # they would have to go after a minute in any case
            answer = http.post(PATH, json=ASKED)
        assert answer.status_code == 200, "those who never read what they asked for make room, too"
        for each in deaf:
            each.close()
        assert running.log().count("connections are busy") <= 1 + time.monotonic() - began


def asking(running: Gateway, **body: Any) -> socket.socket:
    """A connection on which a completion has been asked for."""
    data = json.dumps({**ASKED, **body})
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {MASTER}\r\nConnection: close\r\n"
    client = running.connect(30)
    client.sendall(
        f"{head}Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n{data}".encode()
    )
    return client


def status(client: socket.socket) -> int:
    with client.makefile("rb") as answer:
        return int(answer.read().split(maxsplit=2)[1])


def test_the_soft_limit_is_raised(local: LocalReplicate, tmp_path: Path) -> None:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with gateway(config_for(local), tmp_path, open_files=(64, most)) as running:
        limits = Path(f"/proc/{running.process.pid}/limits").read_text()
        line = next(line for line in limits.splitlines() if line.startswith("Max open files"))
        soft, hard = line.split()[3:5]
        assert soft == hard


def test_what_a_client_leaves_is_499_and_nothing_else(local: LocalReplicate, tmp_path: Path) -> None:
    config = config_for(local, drain_seconds=0)
    with gateway(config, tmp_path) as running, ThreadPoolExecutor(1) as threads:
        answer = threads.submit(running.ask, model="slow")
        eventually(lambda: local.running())
        assert running.stop() == 0
        assert answer.result().status_code == 503
        lines = [json.loads(line) for line in running.log().splitlines()]
    codes = [line["code"] for line in lines if line["message"].startswith(f"POST {PATH}")]
    assert codes == ["gateway_stopping"]


@pytest.mark.parametrize(("host", "shown"), [("[::1]", "http://[::1]:"), ("localhost", "http://127.0.0.1:")])
def test_addresses_to_listen_on(local: LocalReplicate, tmp_path: Path, host: str, shown: str) -> None:
    with gateway(config_for(local), tmp_path, "--host", host, ready=False) as running:
        assert running.url.startswith(shown)


def test_keys_in_clear_text_are_warned_of(local: LocalReplicate, tmp_path: Path) -> None:
    said: list[Any] = []
    with gateway(config_for(local), tmp_path / "loopback") as running:
        said.append("clear text" in running.log())
    with gateway(config_for(local), tmp_path / "everywhere", "--host", "0.0.0.0", ready=False) as running:
        said.append("clear text" in running.log())
    assert said == [False, True]
    assert MASTER not in running.log()
