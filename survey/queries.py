"""The statements of every rating, made once: building them anew costs more than running them."""

from __future__ import annotations

from sqlalchemy import BigInteger, bindparam, cast, func, insert, select, update

from survey.schema import compared, image, meta, rater, slot

PRIME = 1_000_003  # above the number of pictures of any study: multiples of it shuffle them

_rater = slot.c.rater_id == bindparam("b_rater")
_image = image.c.id == bindparam("b_image")
_slot = slot.c.id == bindparam("b_slot")
_mine = select(slot.c.image_id).where(_rater, slot.c.image_id.is_not(None))
_shuffle = (cast(image.c.id, BigInteger) * bindparam("b_chance", type_=BigInteger)) % PRIME

_opening = select(meta.c.value).where(meta.c.key == "opening").scalar_subquery().label("opening")
FIND_RATER = select(rater, _opening).where(rater.c.token_hash == bindparam("b_hash"), rater.c.deleted_at.is_(None))
READ_RATER = select(rater).where(rater.c.id == bindparam("b_rater"))
STEP_RATER = (
    update(rater)
    .where(rater.c.id == bindparam("b_rater"))
    .values(place=rater.c.place + 1, seen_at=bindparam("b_now"))
    .returning(rater.c.id, rater.c.plan, rater.c.place)
)

_showing = select(  # not what was answered: every column of a row takes time
    *(slot.c[name] for name in ("id", "rater_id", "place", "kind", "image_id", "state", "expires", "expected"))
).where(_rater)
SLOT_AT = _showing.where(slot.c.place == bindparam("b_place"))
SLOTS_BETWEEN = _showing.where(slot.c.place.between(bindparam("b_first"), bindparam("b_last")))
OWN_PICTURE = (
    select(func.coalesce(compared.c.image_id, slot.c.image_id))
    .join(rater, rater.c.id == slot.c.rater_id)
    .join(compared, (compared.c.slot_id == slot.c.id) & (compared.c.position == bindparam("b_position")), isouter=True)
    .where(
        _slot,
        rater.c.token_hash == bindparam("b_hash"),
        rater.c.deleted_at.is_(None),
        slot.c.place.between(rater.c.place, rater.c.place + 1),
        func.coalesce(compared.c.image_id, slot.c.image_id).is_not(None),
    )
)
EXPIRED = select(slot.c.id, slot.c.image_id, slot.c.kind).where(
    slot.c.state == "held", slot.c.expires < bindparam("b_now")
)
BRING_NEAR = (
    update(slot)
    .where(slot.c.state == "held", slot.c.expires > bindparam("b_latest"))
    .values(expires=bindparam("b_latest"))
)
RELEASE = update(slot).where(_slot).values(state="released")
RETAKE = update(slot).where(_slot).values(state="held", expires=bindparam("b_expires"))
RATE = update(slot).where(_slot)
HAND_OUT = insert(slot)

TAKE = update(image).where(_image, image.c.taken < image.c.target).values(taken=image.c.taken + 1)
GIVE_BACK = update(image).where(_image).values(taken=image.c.taken - 1)
COUNT_DONE = update(image).where(_image).values(done=image.c.done + 1)
UNCOUNT = update(image).where(_image).values(done=image.c.done - 1, target=func.coalesce(image.c.most, image.c.target))
TAKE_BACK = update(slot).where(_slot).values(state="held", score=None, changes=func.coalesce(slot.c.changes, 0) + 1)
STEP_BACK = (
    update(rater)
    .where(rater.c.id == bindparam("b_rater"))
    .values(place=rater.c.place - 1, undone=rater.c.place - 1, seen_at=bindparam("b_now"))
)

_of_set = image.c.id.in_(select(compared.c.image_id).where(compared.c.slot_id == bindparam("b_slot")))
TAKE_SET = update(image).where(_of_set).values(taken=image.c.taken + 1)
GIVE_BACK_SET = update(image).where(_of_set).values(taken=image.c.taken - 1)
COUNT_DONE_SET = update(image).where(_of_set).values(done=image.c.done + 1)
UNCOUNT_SET = update(image).where(_of_set).values(done=image.c.done - 1)
OPEN_IN_SET = select(image.c.id).where(_of_set, image.c.taken < image.c.target).limit(1)

_fewest = (
    select(image.c.id)
    .where(image.c.taken < image.c.target, image.c.id.not_in(_mine))
    .order_by(image.c.taken, _shuffle)
    .limit(1)
)
TAKE_MAIN = (
    update(image).where(image.c.id == _fewest.scalar_subquery()).values(taken=image.c.taken + 1).returning(image.c.id)
)
GOLD = (
    select(image.c.id)
    .where(image.c.name.in_(bindparam("b_names", expanding=True)), image.c.id.not_in(_mine))
    .where(image.c.withdrawn_at.is_(None))
    .order_by(_shuffle)
    .limit(1)
)
CHOOSE_PRACTICE = select(image.c.id).where(image.c.id.not_in(_mine)).order_by(_shuffle).limit(1)
CHOOSE_ONLY_PRACTICE = CHOOSE_PRACTICE.where(image.c.practice == 1)
CHOOSE_REPEAT = (
    select(image.c.id)
    .where(
        image.c.id.in_(_mine.where(slot.c.kind == "M", slot.c.state == "done", slot.c.place <= bindparam("b_before"))),
        image.c.id.not_in(_mine.where(slot.c.kind == "R")),
    )
    .order_by(_shuffle)
    .limit(1)
)
