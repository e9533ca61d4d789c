"""The signed feed: what it says, and the attacks on it, tried with real metadata files."""

import json
import shutil
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from weighbridge.errors import (
    EvidenceError,
    InputError,
    MissingPiece,
    RevokedWeights,
    WeighbridgeError,
)
from weighbridge.revocation import checking, library
from weighbridge.revocation.checking import watch
from weighbridge.revocation.entries import Revocation
from weighbridge.revocation.keys import OFFLINE, ONLINE, make_keys
from weighbridge.revocation.publishing import init_feed, publish, read_published
from weighbridge.revocation.trusting import trust, trusted_feed, update

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)
ONE, TWO = ("sha256:" + letter * 64 for letter in "ab")


def revoked(digest, advisory="ADV-2026-0001", instead=""):
    return Revocation(digest, advisory, "2026-12-01T00:00:00Z", "high", "says too much", instead)


class Publisher:
    """Who releases weights, and a machine that trusts their feed."""

    def __init__(self, folder, begun=NOW, valid_days=7):
        self.feed, self.keys, self.cache = folder / "feed", folder / "keys", folder / "cache"
        self.begun = init_feed(self.feed, self.keys, begun, valid_days)
        trust(self.cache, str(self.feed), self.begun.root_digest, NOW, offline=True)

    def publish(self, *revocations, now=NOW, **files):
        named = {f"{name}.json": data for name, data in files.items()}
        return publish(self.feed, self.keys, revocations, named, now)

    def update(self):
        return update(self.cache, NOW, offline=True)

    def kept(self):
        return trusted_feed(self.cache)[0]

    def copy(self, to):
        shutil.copytree(self.feed, to)
        return to

    def show(self, folder):
        """Let another folder stand where the feed was."""
        shutil.rmtree(self.feed)
        shutil.copytree(folder, self.feed)


@pytest.fixture
def publisher(tmp_path):
    return Publisher(tmp_path)


def test_revoked_weights_are_refused_with_the_advisory_and_what_to_use_instead(publisher):
    publisher.publish(revoked(ONE, instead=TWO), **{"ADV-2026-0001": b"{}"})
    assert publisher.update().advisories.keys() == {"ADV-2026-0001.json"}
    shutil.rmtree(publisher.feed)  # offline within its validity: what was fetched holds
    found = watch(publisher.cache, NOW)
    found.refuse("fine", [TWO, None])
    with pytest.raises(RevokedWeights, match=f"ADV-2026-0001.*use {TWO}") as caught:
        found.refuse("desk-1", [TWO, ONE])
    assert caught.value.exit_code == 1 and found.notes == ()
    assert watch(publisher.cache / "of nobody") is None


def test_a_stale_feed_warns_and_still_refuses_and_a_clock_set_back_is_noticed(publisher):
    publisher.publish(revoked(ONE))
    publisher.update()
    stale = watch(publisher.cache, NOW + 8 * DAY)
    assert "expired on" in stale.notes[0]
    with pytest.raises(RevokedWeights):
        stale.refuse("desk-1", [ONE])
    assert "The clock stands before" in watch(publisher.cache, NOW - DAY).notes[0]
    with pytest.raises(InputError, match="a clock that was not set back"):
        publisher.publish(revoked(ONE), now=NOW - DAY)


def test_rollback_an_older_publication_is_refused_and_the_newer_one_still_trusted(
    publisher, tmp_path
):
    before = publisher.copy(tmp_path / "before")
    publisher.publish(revoked(ONE))
    publisher.update()
    publisher.show(before)
    with pytest.raises(EvidenceError, match="older than the one trusted here"):
        publisher.update()
    assert publisher.kept().found([ONE])


def test_freeze_a_publication_that_is_held_until_it_expires_is_refused(tmp_path):
    publisher = Publisher(tmp_path, NOW - 30 * DAY, valid_days=40)
    publisher.publish(revoked(ONE), now=NOW - 9 * DAY)  # and what came after is held back
    with pytest.raises(EvidenceError, match="has expired"):
        publisher.update()
    assert publisher.kept().revocations == ()


@pytest.mark.parametrize("part", ["timestamp.json", "snapshot", "targets", "list"])
def test_mix_and_match_files_of_two_publications_are_refused(part, publisher, tmp_path):
    publisher.publish(revoked(ONE))
    older = publisher.copy(tmp_path / "older")
    publisher.publish(revoked(ONE), revoked(TWO))
    metadata = publisher.feed / "metadata"
    if part == "timestamp.json":  # the newer timestamp with only the older files
        shutil.copy(metadata / part, older / "metadata" / part)
        publisher.show(older)
    elif part == "list":
        old, new = (
            next((feed / "targets").glob(f"{sha}.revocations.json"))
            for feed, sha in (
                (older, list_digest(older)),
                (publisher.feed, list_digest(publisher.feed)),
            )
        )
        shutil.copy(old, new)
    else:
        old, new = (sorted(feed.glob(f"metadata/*.{part}.json"), key=number)[-1]
                    for feed in (older, publisher.feed))  # fmt: skip
        shutil.copy(old, new)
    with pytest.raises((EvidenceError, MissingPiece), match=r"belong together|can't be fetched"):
        publisher.update()
    assert not publisher.kept().found([TWO])


def number(path):
    return int(path.name.split(".")[0])


def list_digest(feed):
    newest = sorted(feed.glob("metadata/*.targets.json"), key=number)[-1]
    return json.loads(newest.read_text())["signed"]["targets"]["revocations.json"]["hashes"][
        "sha256"
    ]


def test_a_feed_of_another_key_or_of_an_altered_byte_is_refused(publisher, tmp_path):
    other = init_feed(tmp_path / "other", tmp_path / "other-keys", NOW)
    with pytest.raises(InputError, match="ask the feed's publisher for the digest"):
        trust(publisher.cache, str(tmp_path / "other"), publisher.begun.root_digest, NOW, True)
    publisher.publish(revoked(ONE))
    publisher.update()
    publisher.show(tmp_path / "other")
    with pytest.raises(EvidenceError, match=r"not signed by the keys|older than"):
        publisher.update()
    kept = next((publisher.cache / "revocation-feed").glob("*/targets/revocations.json"))
    kept.write_bytes(kept.read_bytes().replace(ONE.encode(), TWO.encode()))
    with pytest.raises(EvidenceError, match="belong together"):
        watch(publisher.cache, NOW)
    assert other.feed.revocations == ()


def test_who_stole_the_online_key_can_not_take_a_revocation_out(publisher, tmp_path):
    publisher.publish(revoked(ONE))
    (publisher.keys / OFFLINE).unlink()
    make_keys(publisher.keys)  # an offline key of the thief's own
    assert (publisher.keys / ONLINE).is_file()
    with pytest.raises(InputError, match="a feed only grows"):
        publisher.publish()
    with pytest.raises(EvidenceError, match="not signed by the keys"):
        publisher.publish(revoked(ONE), revoked(TWO))
    assert publisher.update().found([ONE])  # nothing of it became public


def test_the_online_key_alone_keeps_the_feed_fresh_and_versions_only_grow(publisher):
    first = publisher.publish(revoked(ONE), **{"ADV-2026-0001": b"{}"})
    (publisher.keys / OFFLINE).unlink()
    second = publisher.publish(revoked(ONE), now=NOW + 3 * DAY)
    assert (first.added, second.added) == (1, 0)
    assert second.feed.version == first.feed.version + 1
    assert second.feed.expires == first.feed.expires + 3 * DAY
    assert second.feed.advisories == first.feed.advisories
    with pytest.raises(InputError, match="no key"):
        publisher.publish(revoked(ONE), revoked(TWO))


def test_a_root_that_ends_soon_is_renewed_and_holders_follow_it(publisher):
    later = NOW + 300 * DAY
    publisher.publish(revoked(ONE), now=later)
    assert (publisher.feed / "metadata" / "2.root.json").is_file()
    assert publisher.update().found([ONE])
    assert read_published(publisher.feed).expires == later + 7 * DAY


def test_who_trusts_a_feed_and_lacks_its_packages_is_told_and_who_trusts_none_needs_none(
    publisher, monkeypatch, tmp_path
):
    monkeypatch.setattr(library, "find_spec", lambda name: None)
    assert checking.watch(tmp_path / "other cache") is None
    with pytest.raises(MissingPiece, match=r"pip install 'weighbridge\[release\]'"):
        watch(publisher.cache)
    path = publisher.cache / "revocation-feed" / "trust.json"
    for altered in ("{", path.read_text().replace('"updated":"2', '"updated":"x')):
        path.write_text(altered)
        with pytest.raises(EvidenceError, match="which revocation feed is trusted"):
            watch(publisher.cache)
    monkeypatch.undo()
    trust(publisher.cache, str(publisher.feed), publisher.begun.root_digest, NOW, offline=True)
    assert watch(publisher.cache).notes == ()


class Served(ThreadingHTTPServer):
    """A web server that holds a feed, and cuts every answer off in the middle if it is `broken`."""

    broken = False


class Answer(SimpleHTTPRequestHandler):
    def copyfile(self, source, outputfile):
        whole = source.read()
        outputfile.write(whole[: len(whole) // 2] if self.server.broken else whole)

    def log_message(self, *told):
        pass


def test_a_feed_comes_over_the_web_and_a_broken_connection_leaves_what_was_trusted(publisher):
    with Served(("127.0.0.1", 0), partial(Answer, directory=publisher.feed)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        where = f"http://localhost:{server.server_port}"
        trust(publisher.cache, where, publisher.begun.root_digest, NOW, offline=False)
        publisher.publish(revoked(ONE))
        with pytest.raises(MissingPiece, match="can't be reached with --offline"):
            publisher.update()
        server.broken = True
        with pytest.raises(WeighbridgeError, match="what is trusted here still holds"):
            update(publisher.cache, NOW, offline=False)
        assert publisher.kept().revocations == ()
        server.broken = False
        assert update(publisher.cache, NOW, offline=False).found([ONE])
        server.shutdown()
    with pytest.raises(WeighbridgeError, match="what is trusted here still holds") as caught:
        update(publisher.cache, NOW, offline=False)
    assert "()" not in str(caught.value) and publisher.kept().found([ONE])
    with pytest.raises(InputError, match="an address with https"):
        trust(publisher.cache, "http://example.org/feed", ONE, NOW, offline=False)
