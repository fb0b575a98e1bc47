"""Whatever raters do, and in whatever order: no picture is asked for more than it needs, none is counted wrongly."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import Row, select

from survey import assignment, raters
from survey.config import SurveySection
from survey.database import open_store
from survey.schema import image, rater, slot

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
TARGET = 2
SECTION = SurveySection(raters_per_picture=TARGET, pictures_per_rater=4, repeats=1, practice=0, attention_checks=1)
PEOPLE = st.integers(0, 50)
ACTIONS = ("look", "rate", "look", "rate", "rate", "rate what is not there", "undo", "fail", "time", "leave", "join")


class Raters(RuleBasedStateMachine):
    """People who come, look, rate, go away, come back late, press twice, and leave for good."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(dir=MEMORY)
        self.store = open_store(Path(self.folder.name) / "survey.db", durable=False)
        self.store.add_images([f"p{number}" for number in range(5)], TARGET)
        self.now = 1_800_000_000.0
        self.tokens: list[str] = []
        self.seen_slots = [1]

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()

    @initialize(seeds=st.lists(st.integers(0, 9), min_size=2, max_size=4))
    def some_come(self, seeds: list[int]) -> None:
        for seed in seeds:
            self.join(seed, to_the_end=False)

    @rule(acts=st.lists(st.tuples(st.sampled_from(ACTIONS), PEOPLE, st.integers(0, 11)), min_size=3, max_size=9))
    def some_act(self, acts: list[tuple[str, int, int]]) -> None:
        """One rule for all, so that most of what happens is looking and rating."""
        for what, who, number in acts:
            self.act(what, who, number)

    def act(self, what: str, who: int, number: int) -> None:
        self.now += 20
        if what == "join":
            self.join(number, to_the_end=number % 2 == 0)
        elif what == "rate":
            self.rate(who, number, goes_on=who % 4 > 0)
        elif what == "rate what is not there":
            self.rate_what_is_not_there(who, number)
        elif what == "time":
            self.now += 60 * (5 + number)
        else:
            {"look": self.look, "undo": self.undo, "fail": self.picture_fails, "leave": self.leave}[what](who)

    def somebody(self, who: int) -> str:
        return self.tokens[who % len(self.tokens)]

    def join(self, seed: int, to_the_end: bool) -> None:
        with self.store.write() as connection:
            rng = random.Random(seed)
            self.tokens.append(raters.join(connection, SECTION, rng=rng, to_the_end=to_the_end, now=self.now))

    def look(self, who: int) -> None:
        with self.store.write() as connection:
            person = raters.find(connection, self.somebody(who))
            if person is not None:
                person = assignment.advance(connection, person, SECTION, self.now)
                current = assignment.slot_at(connection, person.id, person.place)
                self.seen_slots += [current.id] if current is not None else []

    def rate(self, who: int, score: int, goes_on: bool) -> None:
        with self.store.write() as connection:
            person = raters.find(connection, self.somebody(who))
            current = None if person is None else assignment.slot_at(connection, person.id, person.place)
            if person is not None and current is not None:
                stepped = assignment.submit(connection, person, current.id, score, SECTION, now=self.now)
                assert (stepped is None) == (not 1 <= score <= 10)
                if stepped is not None and goes_on:
                    assignment.advance(connection, stepped, SECTION, self.now)

    def rate_what_is_not_there(self, who: int, which: int) -> None:
        """A second tab, Back, or somebody else's page."""
        with self.store.write() as connection:
            person = raters.find(connection, self.somebody(who))
            if person is not None:
                current = assignment.slot_at(connection, person.id, person.place)
                stale = self.seen_slots[which % len(self.seen_slots)]
                if current is None or current.id != stale:
                    assert assignment.submit(connection, person, stale, 5, SECTION, now=self.now) is None

    def undo(self, who: int) -> None:
        with self.store.write() as connection:
            person = raters.find(connection, self.somebody(who))
            if person is not None:
                assignment.undo(connection, person, SECTION, self.now)

    def picture_fails(self, who: int) -> None:
        with self.store.write() as connection:
            person = raters.find(connection, self.somebody(who))
            current = None if person is None else assignment.slot_at(connection, person.id, person.place)
            if person is not None and current is not None:
                assignment.fail(connection, person, current.id, SECTION, self.now)

    def leave(self, who: int) -> None:
        with self.store.write() as connection:
            person = raters.find(connection, self.somebody(who))
            if person is not None:
                raters.forget(connection, person, self.now)

    def slots(self) -> list[Row[tuple[object, ...]]]:
        with self.store.write() as connection:
            return list(connection.execute(select(slot)).all())

    @invariant()
    def pictures_are_counted(self) -> None:
        with self.store.write() as connection:
            pictures = connection.execute(select(image)).all()
        main = [row for row in self.slots() if row.kind == "M"]
        for picture in pictures:
            held = sum(row.image_id == picture.id and row.state == "held" for row in main)
            done = sum(row.image_id == picture.id and row.state == "done" for row in main)
            assert (picture.done, picture.taken) == (done, held + done), picture.name
            assert picture.taken <= picture.target

    @invariant()
    def nobody_sees_a_picture_twice_by_mistake(self) -> None:
        shown = [(row.rater_id, row.image_id) for row in self.slots() if row.kind == "M" and row.state != "failed"]
        assert len(shown) == len(set(shown))

    @invariant()
    def plans_and_places_fit(self) -> None:
        with self.store.write() as connection:
            for person in connection.execute(select(rater)).all():
                assert 0 <= person.place <= len(person.plan)


TestRaters = Raters.TestCase
TestRaters.settings = settings(max_examples=12, stateful_step_count=12, deadline=None)
