"""The supervisor with real processes: start, death, reload, stop."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from pathlib import Path

import pytest

from dialplane.configuration import ConfigurationError, load
from dialplane.errors import ExitStatus, LockedError, SystemResourceError, UnavailableError, WriteError
from dialplane.supervisor import Supervisor, asking
from dialplane.supervisor.keeper import pause_before_retry

from .conftest import free_port, parts, serving, write_config

pytestmark = pytest.mark.asyncio


async def test_every_worker_serves_and_a_single_sender_reaches_them_all(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        assert server.supervisor.facts()["spread"] == "by Call-ID (classic BPF)"
        seen = {(await server.ask(f"\r\nCall-ID: {n}\r\n\r\n")).split()[0] for n in range(64)}
    assert seen == {"0", "1"}


async def test_stop_finishes_and_leaves_no_process_and_no_socket_behind(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        pids = [server.keeper(index).child.pid for index in range(2)]
        server.supervisor._stop.set()
        assert await server.task == ExitStatus.OK
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
        again.bind(("127.0.0.1", server.port))
    assert not server.supervisor.folder.socket.exists()


async def test_a_killed_worker_is_replaced_at_once_and_what_was_queued_is_answered(tmp_path: Path) -> None:
    async with serving(tmp_path, workers=1) as server:
        keeper = server.keeper(0)
        pid = keeper.child.pid
        os.kill(pid, signal.SIGSTOP)
        for number in range(50):
            server.send(f"queued {number}")
        os.kill(pid, signal.SIGKILL)
        answers = [await server.receive() for _ in range(50)]
        assert [answer.split(maxsplit=2)[2] for answer in answers] == [f"queued {n}" for n in range(50)]
        assert keeper.child.pid != pid
        assert keeper.restarts == 1
        await server.wait_for(lambda: keeper.is_ready)
        assert keeper.last_gap < 0.3


async def test_a_worker_that_ends_by_itself_is_replaced(tmp_path: Path) -> None:
    async with serving(tmp_path, workers=1) as server:
        server.send("die")
        assert await server.ask("hello") != ""
        assert server.keeper(0).restarts == 1


async def test_the_others_serve_while_one_is_replaced(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        other = server.keeper(1).child.pid
        server.keeper(0).kill()
        await server.wait_for(lambda: server.keeper(0).restarts == 1)
        assert server.keeper(1).child.pid == other


async def test_a_dead_control_process_is_replaced_and_hears_the_news(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        server.control.kill()
        await server.wait_for(lambda: server.control.is_ready and server.control.restarts == 1)
        facts = server.supervisor.folder.path / "facts.json"
        await server.wait_for(facts.exists)
        assert [worker["ready"] for worker in json.loads(facts.read_text())["workers"]] == [True, True]


@pytest.mark.parametrize(
    ("deaths", "pause"), [(0, 0), (1, 0), (3, 0), (4, 0.1), (5, 0.2), (6, 0.4), (10, 5), (1000, 5)]
)
async def test_only_deaths_in_a_row_are_followed_by_a_pause(deaths: int, pause: float) -> None:
    assert pause_before_retry(deaths) == pytest.approx(min(pause, 5))


async def test_a_worker_that_dies_again_and_again_is_given_a_pause(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        keeper = server.keeper(0)
        while keeper.restarts < 5:
            await server.wait_for(lambda: keeper.is_ready)
            deaths = keeper.restarts
            keeper.kill()
            await server.wait_for(lambda: keeper.restarts > deaths)  # noqa: B023 - asked at once
        assert keeper._retry is not None
        assert server.keeper(1).is_ready
        await server.wait_for(lambda: keeper.is_ready)


async def test_reload_reaches_every_worker(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        write_config(server.file, server.port, name="two")
        answer = await asyncio.to_thread(asking.ask, server.supervisor.folder, {"ask": "reload"})
        assert answer["reloaded"] is True
        assert {await server.ask("config") for _ in range(32)} == {"two"}
        assert json.loads(server.supervisor.folder.effective.read_text())["server"]["name"] == "two"


async def test_a_configuration_too_large_for_one_message_reaches_every_worker(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        rules = "".join(f'[[route]]\nprefixes = ["00{n}"]\ndrop = true\n' for n in range(3000))
        write_config(server.file, server.port, name="large", more=rules)
        await server.supervisor.reload()
        assert {await server.ask("config") for _ in range(32)} == {"large"}
        server.keeper(0).kill()
        await server.wait_for(lambda: server.keeper(0).restarts == 1 and server.keeper(0).is_ready)
        assert {await server.ask("config") for _ in range(32)} == {"large"}


@pytest.mark.parametrize("name", ["refuse 0", "refuse 1", "die 1"])
async def test_when_one_worker_does_not_take_it_the_old_one_stays_everywhere(tmp_path: Path, name: str) -> None:
    async with serving(tmp_path) as server:
        write_config(server.file, server.port, name=name, more='[[route]]\nuri = "("\ndrop = true\n')
        with pytest.raises(ConfigurationError) as raised:
            await server.supervisor.reload()
        if name.startswith("refuse"):
            assert str(raised.value).endswith("dialplane.toml:13: route[0].uri: not a regular expression")
        await server.wait_for(lambda: all(keeper.is_ready for keeper in server.supervisor._pool.keepers))
        assert {await server.ask("config") for _ in range(32)} == {"one"}
        assert server.supervisor.reloads == 0


async def test_a_file_with_problems_changes_nothing(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        server.file.write_text("[server]\nworker = 1\n")
        answer = await asyncio.to_thread(asking.ask, server.supervisor.folder, {"ask": "reload"})
        assert answer["problems"] == [f'{server.file}:2: server.worker: unknown key; did you mean "workers"?']
        assert await server.ask("config") == "one"


async def test_the_native_check_comes_before_any_worker(tmp_path: Path) -> None:
    problems: list[tuple[tuple[str | int, ...], str]] = []
    async with serving(tmp_path, check=lambda config: problems) as server:
        problems.append((("server", "name"), "not this one"))
        write_config(server.file, server.port, name="two")
        with pytest.raises(ConfigurationError, match=r":3: server\.name: not this one"):
            await server.supervisor.reload()
        assert await server.ask("config") == "one"


@pytest.mark.parametrize(
    ("change", "key"), [({"workers": 3}, "server.workers"), ({"port": 1}, "listen")], ids=["workers", "listen"]
)
async def test_what_takes_a_restart_is_refused(tmp_path: Path, change: dict[str, int], key: str) -> None:
    async with serving(tmp_path) as server:
        write_config(server.file, change.get("port", server.port), workers=change.get("workers", 2))
        with pytest.raises(ConfigurationError, match=f"{key}: a change of this takes a restart"):
            await server.supervisor.reload()


async def test_hangup_reloads(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        write_config(server.file, server.port, name="two")
        os.kill(os.getpid(), signal.SIGHUP)
        await server.wait_for(lambda: server.supervisor.reloads == 1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_and_what_is_queued_is_answered(tmp_path: Path, number: signal.Signals) -> None:
    async with serving(tmp_path, workers=1) as server:
        pid = server.keeper(0).child.pid
        os.kill(pid, signal.SIGSTOP)
        for n in range(20):
            server.send(str(n))
        os.kill(os.getpid(), number)
        await server.wait_for(server.supervisor._stop.is_set)
        os.kill(pid, signal.SIGCONT)
        assert [(await server.receive()).split()[2] for _ in range(20)] == [str(n) for n in range(20)]
        assert await server.task == ExitStatus.OK


async def test_the_second_signal_does_not_wait(tmp_path: Path) -> None:
    async with serving(tmp_path, name="deaf") as server:
        os.kill(os.getpid(), signal.SIGTERM)
        await server.wait_for(server.supervisor._stop.is_set)
        os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(1):
            await server.task


async def test_a_worker_that_cannot_start_is_one_line_and_nothing_runs(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=r"worker-\d cannot start: ValueError: cannot serve this") as raised:
        async with serving(tmp_path, name="fail"):
            pass
    assert "\n" not in str(raised.value)


async def test_a_stop_during_the_start_is_obeyed(tmp_path: Path) -> None:
    async with serving(tmp_path, name="mute", wait=False) as server:
        await server.wait_for(lambda: hasattr(server.supervisor, "_pool") and server.keeper(1).child is not None)
        os.kill(os.getpid(), signal.SIGTERM)
        assert await asyncio.wait_for(server.task, 20) == ExitStatus.OK


async def test_status_tells_what_runs(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        facts = await asyncio.to_thread(asking.ask, server.supervisor.folder, {"ask": "status"})
        assert facts["pid"] == os.getpid()
        assert [worker["process"] for worker in facts["workers"]] == ["worker-0", "worker-1"]
        assert all(worker["ready"] for worker in facts["workers"])
        with pytest.raises(UnavailableError, match="unknown question 'dance'"):
            await asyncio.to_thread(asking.ask, server.supervisor.folder, {"ask": "dance"})


async def test_a_second_server_on_the_folder_is_told_who_is_there(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        file = write_config(tmp_path / "other.toml", free_port())
        with pytest.raises(LockedError, match=rf"in use by another dialplane \(process {os.getpid()}\)"):
            await Supervisor(load(file), parts=parts()).serve()
        assert await server.ask("config") == "one"


async def test_a_second_server_on_the_port_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        (tmp_path / "b").mkdir()
        file = write_config(tmp_path / "b" / "dialplane.toml", server.port)
        with pytest.raises(SystemResourceError, match=rf"udp:127.0.0.1:{server.port}: the address is in use"):
            await Supervisor(load(file), parts=parts()).serve()


async def test_an_address_of_another_machine(tmp_path: Path) -> None:
    file = write_config(tmp_path / "dialplane.toml", 5060)
    file.write_text(file.read_text().replace("127.0.0.1", "192.0.2.1"))
    with pytest.raises(SystemResourceError, match=r"192\.0\.2\.1 is not an address of this machine"):
        await Supervisor(load(file), parts=parts()).serve()


async def test_the_admin_address_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        file = write_config(tmp_path / "dialplane.toml", free_port())
        file.write_text(file.read_text().replace('[admin]\naddress = ""', f'[admin]\naddress = "{address}"'))
        with pytest.raises(SystemResourceError, match=f"admin.address {address}: the address is in use"):
            await Supervisor(load(file), parts=parts()).serve()


async def test_a_data_folder_that_is_a_file(tmp_path: Path) -> None:
    file = write_config(tmp_path / "dialplane.toml", free_port())
    (tmp_path / "data").touch()
    with pytest.raises(WriteError, match=r"data folder .*/data: "):
        await Supervisor(load(file), parts=parts()).serve()


async def test_a_full_disk(tmp_path: Path, full_folder: Path) -> None:
    file = write_config(tmp_path / "dialplane.toml", free_port())
    file.write_text(file.read_text().replace(str(tmp_path / "data"), str(full_folder / "data")))
    with pytest.raises(WriteError, match="No space left on device"):
        await Supervisor(load(file), parts=parts()).serve()


async def test_a_spare_process_takes_the_place_of_a_worker(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        pool = server.supervisor._pool
        for index in (0, 1, 0):
            await server.wait_for(lambda: pool.spare_facts() is not None)
            spare = pool.spare_facts()["pid"]  # type: ignore[index]
            server.keeper(index).kill()
            await server.wait_for(lambda index=index, spare=spare: server.keeper(index).child.pid == spare)  # type: ignore[misc]
            await server.wait_for(lambda index=index: server.keeper(index).is_ready)  # type: ignore[misc]
        seen = {(await server.ask(f"\r\nCall-ID: {n}\r\n\r\n")).split()[0] for n in range(64)}
        assert seen == {"0", "1"}


async def test_a_dead_spare_is_no_harm(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        pool = server.supervisor._pool
        await server.wait_for(lambda: pool.spare_facts() is not None)
        os.kill(pool.spare_facts()["pid"], signal.SIGKILL)  # type: ignore[index]
        server.keeper(0).kill()
        await server.wait_for(lambda: server.keeper(0).restarts > 0 and server.keeper(0).is_ready)
        await server.wait_for(lambda: pool.spare_facts() is not None)
