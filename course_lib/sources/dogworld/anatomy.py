"""From factors to a skeleton: where the bones of each animal are, and how thick the flesh around them is.

    bones = skeleton(table)                # name -> N,6: (ax, ay, bx, by, radius at a, radius at b)

The animal looks towards +x, up is +y, the ground is y = 0, and a middling torso is 1 long. Legs are placed foot
first: the pose says where each foot stands, and the joints between follow from the lengths of the bones.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

Point = tuple[np.ndarray, np.ndarray]
Bone = np.ndarray
FRONT = ("upper", "lower", "paw")
HIND = ("thigh", "shin", "hock", "hind_paw")
TAIL = ("tail_1", "tail_2", "tail_3", "tail_4")


def skeleton(f: Mapping[str, np.ndarray]) -> dict[str, Bone]:
    """The bones of every animal, each a tapered capsule: float64 N,6."""
    trunk = _trunk(f)
    bones = _torso(f, trunk) | _head(f, trunk) | _tail(f, trunk)
    for side, apart in (("near", 1.0), ("far", -1.0)):
        bones |= {f"{side}_{name}": bone for name, bone in _front_leg(f, trunk, apart).items()}
        bones |= {f"{side}_{name}": bone for name, bone in _hind_leg(f, trunk, apart).items()}
    return {name: bone.round(5) for name, bone in bones.items()}


def reach(bones: Mapping[str, Bone]) -> tuple[np.ndarray, np.ndarray]:
    """The least and the greatest x of each animal, each N."""
    ends = np.stack(list(bones.values()))  # bones, N, 6
    thick = np.maximum(ends[..., 4], ends[..., 5])
    left = (np.minimum(ends[..., 0], ends[..., 2]) - thick).min(0)
    return left, (np.maximum(ends[..., 0], ends[..., 2]) + thick).max(0)


def by_pose(f: Mapping[str, np.ndarray], **values: np.ndarray | float) -> np.ndarray:
    """One value per animal, picked by its pose: by_pose(f, standing=..., running=..., sitting=..., lying=...)."""
    return np.select([f["pose"] == pose for pose in values], list(values.values()))


def _bone(a: Point, b: Point, radius_a: np.ndarray | float, radius_b: np.ndarray | float) -> Bone:
    return np.stack(np.broadcast_arrays(*a, *b, radius_a, radius_b), axis=-1).astype(np.float64)


def _from(point: Point, degrees: np.ndarray | float, length: np.ndarray | float) -> Point:
    """The point `length` away, in the direction `degrees` above +x."""
    angle = np.deg2rad(degrees)
    return point[0] + length * np.cos(angle), point[1] + length * np.sin(angle)


def _joint(a: Point, b: Point, first: np.ndarray, second: np.ndarray, side: float) -> Point:
    """Where a limb of two bones bends on its way from a to b: left of that way for side=1, right for side=-1."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    span = np.maximum(np.sqrt(dx * dx + dy * dy), 1e-3)
    reach = np.minimum(span, (first + second) * 0.999)
    along = (first * first - second * second + reach * reach) / (2 * reach)
    aside = side * np.sqrt(np.maximum(first * first - along * along, 0.0))
    return a[0] + (dx * along - dy * aside) / span, a[1] + (dy * along + dx * aside) / span


def _trunk(f: Mapping[str, np.ndarray]) -> dict[str, Point]:
    """Middle of the ribcage and of the rump."""
    chest, rump = f["chest"], 0.78 * f["chest"]
    back = f["leg"] + 1.9 * chest  # height of the back when standing
    chest_y = by_pose(
        f, standing=back - chest, running=back - 0.9 * chest, sitting=f["leg"] * 1.02 + 1.05 * chest, lying=chest * 0.95
    )
    rump_y = by_pose(f, standing=back - rump, running=back - 0.95 * rump, sitting=rump * 0.95, lying=rump * 0.95)
    rise = chest_y - rump_y
    level = np.sqrt(np.maximum(f["body"] ** 2 - rise**2, (0.5 * f["body"]) ** 2))
    run = by_pose(f, standing=level, running=level, sitting=0.62 * f["body"], lying=level)  # a sitting back is bent
    return {"chest": (run / 2, chest_y), "rump": (-run / 2, rump_y)}


def _torso(f: Mapping[str, np.ndarray], trunk: Mapping[str, Point]) -> dict[str, Bone]:
    (cx, cy), (rx, ry) = trunk["chest"], trunk["rump"]
    chest, rump = f["chest"], 0.78 * f["chest"]
    loin = chest * f["waist"]
    # The loin lies two thirds of the way back, raised so that the line of the back stays straight.
    lx, ly = cx + 0.68 * (rx - cx), cy + 0.68 * (ry - cy) + 0.8 * (0.85 * chest - loin)
    return {
        "ribs": _bone((cx, cy), (lx, ly), chest, loin),
        "loin": _bone((lx, ly), (rx, ry), loin, rump),
    }


def _head(f: Mapping[str, np.ndarray], trunk: Mapping[str, Point]) -> dict[str, Bone]:
    chest, head = f["chest"], f["head"]
    root = (trunk["chest"][0] + 0.3 * chest, trunk["chest"][1] + 0.35 * chest)
    carriage = f["carriage"] + by_pose(f, standing=0.0, running=-18.0, sitting=12.0, lying=10.0)
    middle = _from(root, carriage, f["neck"] + 0.45 * chest)
    look = f["nod"] - 12.0
    brow = _from(middle, look - 90.0, 0.16 * head)
    nose = _from(brow, look, f["snout"])
    crown = _from(middle, look + 125.0, 0.62 * head)
    tip, iris = 0.02 + 0.32 * f["muzzle"], np.where(f["species"] == "cat", 0.056, 0.044)
    bones = {
        "neck": _bone(root, middle, 0.72 * chest, 0.78 * head),
        "skull": _bone(middle, _from(middle, look, 0.25 * head), head, 0.86 * head),
        "snout": _bone(brow, nose, 0.68 * head, f["muzzle"]),
        "mouth": _bone(_from(nose, look - 70, 0.55 * f["muzzle"]), _from(brow, look - 72, 0.42 * head), 0.012, 0.012),
        "nose": _bone(_from(nose, look + 40, 0.75 * f["muzzle"]), _from(nose, look, 0.8 * f["muzzle"]), tip, 0.9 * tip),
        "eye": _bone(_from(middle, look + 38, 0.56 * head), _from(middle, look + 34, 0.6 * head), iris, iris),
    }
    for side, shift in (("near", 0.0), ("far", 0.38)):
        base = _from(crown, look, shift * head)
        bones |= {f"{side}_{name}": bone for name, bone in _ear(f, base, look, shift).items()}
    return bones


def _ear(f: Mapping[str, np.ndarray], base: Point, look: np.ndarray, shift: float) -> dict[str, Bone]:
    """Two bones from the skull to the tip of the ear; the kind of ear is their angles."""
    kinds = ("pricked", "tipped", "floppy")

    def pick(*values: float) -> np.ndarray:
        return np.select([f["ears"] == kind for kind in kinds], values)

    back = by_pose(f, standing=0.0, running=14.0, sitting=0.0, lying=4.0)
    first = pick(97.0, 88.0, 205.0) + back + look - 10.0 * shift
    second = pick(94.0, -28.0, 262.0) + back + look
    middle = _from(base, first, f["ear"] * pick(0.55, 0.55, 0.30))
    tip = _from(middle, second, f["ear"] * pick(0.62, 0.42, 0.80))
    width = 0.3 + f["ear"] * 0.7
    return {
        "ear_root": _bone(base, middle, width * pick(0.22, 0.21, 0.13), width * pick(0.13, 0.12, 0.15)),
        "ear_tip": _bone(middle, tip, width * pick(0.13, 0.11, 0.15), width * pick(0.02, 0.05, 0.13)),
    }


def _tail(f: Mapping[str, np.ndarray], trunk: Mapping[str, Point]) -> dict[str, Bone]:
    rump = 0.78 * f["chest"]
    point = (trunk["rump"][0] - 0.72 * rump, trunk["rump"][1] + 0.5 * rump)
    raised = by_pose(
        f,
        standing=f["tail_set"],
        running=0.5 * f["tail_set"] + 12.0,
        sitting=-12.0 + 0.3 * f["tail_set"],
        lying=0.3 * f["tail_set"],
    )
    angle = 180.0 - raised - f["wag"]
    share = np.array([0.75, 1.0, 1.0, 0.7]) * f["brush"][:, None]
    bones = {}
    for i, name in enumerate(TAIL):
        end = _from(point, angle, f["tail"] / len(TAIL))
        end = end[0], np.maximum(end[1], 0.04)
        bones[name] = _bone(point, end, share[:, i], share[:, min(i + 1, 3)])
        point, angle = end, angle - f["tail_curl"]
    return bones


def _front_leg(f: Mapping[str, np.ndarray], trunk: Mapping[str, Point], apart: float) -> dict[str, Bone]:
    chest, leg, bone = f["chest"], f["leg"], f["bone"]
    elbow = (trunk["chest"][0] - 0.05, trunk["chest"][1] - 0.45 * chest)
    length = (leg + 0.45 * chest) * 0.53
    gait = f["gait"] + 0.28 * apart
    x = by_pose(
        f, standing=elbow[0] + 0.04 + 0.09 * apart * f["stance"], running=elbow[0] + 0.1 + 0.95 * leg * gait,
        sitting=elbow[0] + 0.05 + 0.05 * apart, lying=elbow[0] + 1.6 * length + 0.07 * apart,
    )  # fmt: skip
    y = by_pose(f, standing=0.0, running=leg * (0.12 + 0.3 * np.abs(gait)), sitting=0.0, lying=0.0) + bone
    foot = (x, y)
    wrist = _joint(elbow, foot, length, length, side=1.0)
    return {
        "upper": _bone(elbow, wrist, bone * 1.7, bone * 1.15),
        "lower": _bone(wrist, foot, bone * 1.15, bone),
        "paw": _bone(foot, (x + 0.06 + 0.5 * bone, y - 0.1 * bone), bone * 1.05, bone * 0.9),
    }


def _hind_leg(f: Mapping[str, np.ndarray], trunk: Mapping[str, Point], apart: float) -> dict[str, Bone]:
    chest, leg, bone = f["chest"], f["leg"], f["bone"]
    hip = (trunk["rump"][0] + 0.05, trunk["rump"][1] - 0.1 * chest)
    length = (leg + 0.95 * chest) * 1.12  # of the three bones together
    gait = f["gait"] - 0.28 * apart
    x = by_pose(
        f, standing=hip[0] - 0.14 + 0.08 * apart * f["stance"], running=hip[0] - 0.05 - 0.9 * leg * gait,
        sitting=hip[0] + 0.36 * length + 0.04 * apart, lying=hip[0] + 0.4 * length + 0.06 * apart,
    )  # fmt: skip
    y = by_pose(f, standing=0.0, running=leg * (0.08 + 0.25 * np.abs(gait)), sitting=0.0, lying=0.0) + bone
    # The hock stands above the foot, leans with the gait, and lies flat when the animal sits or lies.
    lean = by_pose(f, standing=97.0, running=95.0 - 45.0 * gait, sitting=165.0, lying=170.0)
    hock = _from((x, y), lean, 0.28 * length)
    knee = _joint(hip, hock, 0.40 * length, 0.38 * length, side=1.0)
    return {
        "thigh": _bone(hip, knee, 0.62 * chest, 0.26 * chest + 0.5 * bone),
        "shin": _bone(knee, hock, 0.26 * chest + 0.5 * bone, bone * 1.05),
        "hock": _bone(hock, (x, y), bone * 1.05, bone),
        "hind_paw": _bone((x, y), (x + 0.06 + 0.5 * bone, y - 0.1 * bone), bone * 1.05, bone * 0.9),
    }
