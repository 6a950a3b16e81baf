"""Sources of the open speech corpus: which file of which package is which voice or interference.

All sources are Debian packages with free licences. They are no part of this project: the package
manager of the machine that builds the corpus downloads them.
"""

from __future__ import annotations

import fnmatch
import re

PARTS = ("train", "dev", "test")
ASTERISK, STAMPS = "asterisk-core-sounds-{}-g722", "tuxpaint-stamps-default"
PROMPTS = "asterisk-prompt-{}"


def _stamps(*languages):
    return {f"stamps-{language}": (STAMPS, f"*_desc_{language}.ogg") for language in languages}


def _prompts(*languages):
    return {language: (ASTERISK.format(language), "*.g722") for language in languages}


def _letters(*languages):
    return {f"letters-{x}": ("klettres-data", f"*/klettres/{x}/*.ogg") for x in languages}


def _potato(*languages):
    return {f"potato-{x}": ("ktuberling-data", f"*/sounds/{x}/*") for x in languages}


def _hedgehogs(*packs):
    return {f"hedgehog-{x}": ("hedgewars-data", f"*/voices/{x}/*.ogg") for x in packs}


# part: voice: (package, pattern of the path). A voice has all its prompts in one part. Of unnamed
# people the recordings that may be of the same person are in one part: those of volunteers in one
# language, and all of the game of hedgehogs.
SPEECH = {
    "train": {
        **_prompts("en", "es", "it"),
        "es-co": (PROMPTS.format("es-co"), "*.gsm"),
        "fr-armelle": (PROMPTS.format("fr-armelle"), "*.gsm"),
        "it-menardi": (PROMPTS.format("it-menardi-wav"), "*.wav"),
        "festvox-ru": ("festvox-ru", "*.wav"),
        "cs-m": ("fillets-ng-data-cs", "*-m-*.ogg"),
        "cs-v": ("fillets-ng-data-cs", "*-v-*.ogg"),
        "computer": ("warzone2100-data", "*/memressp/*/pcv*.ogg"),
        "tutor": ("warzone2100-data", "*/audio/tutorial/*.ogg"),
        "commander": ("warzone2100-data", "*/cmndrvoc/*.ogg"),
        **_stamps("es", "ca", "ro", "bg", "be"),
        **_hedgehogs("British", "Classic", "Default", "Default_es", "Default_pl", "Default_ru"),
        **_hedgehogs("Default_uk", "HillBilly", "Mobster", "Pirate", "Russian", "Russian_pl"),
        **_hedgehogs("Surfer"),
        **_letters("cs", "de", "en", "en_GB", "es", "it", "nl", "pt_BR", "uk"),
        **_potato("ca", "de", "en", "uk"),
    },
    "dev": {
        **_prompts("fr"),
        **_stamps("fr"),
        **_letters("fr", "da"),
        **_potato("fr", "da", "wa"),
    },
    "test": {
        **_prompts("ru"),
        **_stamps("el"),
        **_letters("ru", "lt"),
        **_potato("el", "ru", "lt", "sl"),
    },
}
# Languages of other people, who are interference and never targets.
PEOPLE = ("ar", "fi", "ga", "gl", "he", "hu", "ml", "nb", "nds", "sr", "sv", "tn")
# kind: [(package, pattern of the path)]
INTERFERENCE = {
    "music": [
        ("wesnoth-1.16-music", "*.ogg"),
        ("hedgewars-data", "*/Music/*.ogg"),
        ("naev-data", "*/music/*.ogg"),
    ],
    "ambience": [("lincity-ng-data", "*/sounds/*.wav")],
    "effects": [
        ("wesnoth-1.16-data", "*/sounds/*.ogg"),
        ("wesnoth-1.16-data", "*/sounds/*.wav"),
        ("sonic-pi-samples", "*.flac"),
        (STAMPS, "*.ogg"),
        ("hedgewars-data", "*/Sounds/[!v]*.ogg"),
    ],
    "people": [
        *(("klettres-data", f"*/klettres/{language}/*.ogg") for language in PEOPLE),
        *(("ktuberling-data", f"*/sounds/{language}/*") for language in PEOPLE),
    ],
}
# The music of naev-data that is by one team ("Vega Strike").
VEGA = ("agri", "cosmo", "galac", "laun", "lift", "machina", "mission", "ocean", "peace", "snow")
# part: kind: [(package, pattern)] of the condition "wild": nothing of it is anywhere else.
WILD = {
    "dev": {
        "music": [("freedroidrpg-data", "*/music/*.ogg"), ("asterisk-moh-opsound-wav", "*.wav")],
        "ambience": [
            ("warzone2100-data", "*/sfx/building/*.ogg"),
            ("warzone2100-data", "*/sfx/vehicle/*.ogg"),
        ],
        "effects": [
            ("freedroidrpg-data", "*/effects/*.ogg"),
            ("warzone2100-data", "*/sfx/weapons/*.ogg"),
            ("warzone2100-data", "*/sfx/explons/*.ogg"),
        ],
    },
    "test": {
        "music": [("naev-data", f"*/music/{start}*.ogg") for start in VEGA],
        "ambience": [("openarena-data", "*/world/*.wav")],
        "effects": [
            ("naev-data", "*/snd/sounds/*"),
            ("openarena-data", "*/sound/items/*.wav"),
            ("openarena-data", "*/sound/weapons/*.wav"),
            ("openarena-data", "*/sound/player/footsteps/*.wav"),
        ],
    },
}
# Prompts without a voice (the monkeys are the same in all languages), and cries.
NOT_SPEECH = re.compile(
    r"/silence/|/beep|/ascending-2tone|/descending-2tone|/confbridge-(join|leave)|/tt-monkeys\.|"
    r"/voices/\w+/(Firepunch|Hmm|Jump|Kamikaze|Laugh|Nooo|Ooff|Ouch|Ow|Poison)"
)
# Spoken stamps have the voices of the targets, and so may cries of the hedgehogs and droids.
SPOKEN = re.compile(
    r"tuxpaint.*(_desc|_[a-z]{2}(_[a-zA-Z]{2})?\.ogg$|/symbols/(alphabets|math)/|/dreydl-)|"
    r"/Sounds/(countdown|hell_|Hellish|hogchant|Yoohoo)|/voice_samples/|/tux_ingame|_Scream_"
)
LANGUAGE = re.compile(r"/(?:klettres|ktuberling/sounds)/([a-z]+)")
# package: (licence of its sounds, who made them, what the corpus has of them)
CREDITS = {
    "asterisk-core-sounds-en-g722": ("CC-BY-SA-3.0", "Allison Smith", "voice en"),
    "asterisk-core-sounds-es-g722": ("CC-BY-SA-3.0", "Allison Smith, Digium", "voice es"),
    "asterisk-core-sounds-fr-g722": ("CC-BY-SA-3.0", "June Wallack", "voice fr"),
    "asterisk-core-sounds-it-g722": ("CC-BY-3.0", "Carlo Flora", "voice it"),
    "asterisk-core-sounds-ru-g722": ("CC-BY-3.0", "Maxim Topal", "voice ru"),
    "asterisk-moh-opsound-wav": (
        "CC-BY-SA-3.0",
        "Paul Shuler (Macroform), Manolo Camp, Reno Project",
        "music",
    ),
    "asterisk-prompt-es-co": ("GPL-2", "Avatar Ltda., July E. Jiménez", "voice es-co"),
    "asterisk-prompt-fr-armelle": (
        "BSD-like",
        "Armelle Desjardins, Michel Gutierrez",
        "voice fr-armelle",
    ),
    "asterisk-prompt-it-menardi-wav": (
        "CC-BY-SA-3.0 (Italy)",
        "Marco Menardi and Paola Dal Zot, http://www.voip.ammdomus.it",
        "voice it-menardi",
    ),
    "festvox-ru": ("BSD-like", "Nickolay V. Shmyrev", "voice festvox-ru"),
    "fillets-ng-data-cs": (
        "GPL-2",
        "Ivo Danihelka, ALTAR interactive",
        "voices cs-m, cs-v",
    ),
    "freedroidrpg-data": ("GPL-2+", "the Freedroid developers", "music and effects"),
    "hedgewars-data": (
        "GFDL-1.3 (sounds), GPL-2",
        "Andrey Korotaev, the Hedgewars Project",
        "voices hedgehog-*, music, effects",
    ),
    "klettres-data": (
        "GPL-2+",
        "Anne-Marie Mahfouf and the KDE contributors",
        "voices letters-*, other people",
    ),
    "ktuberling-data": (
        "GPL-2+",
        "Albert Astals Cid, Éric Bischoff and the KDE contributors",
        "voices potato-*, other people",
    ),
    "lincity-ng-data": ("GPL-2+ or CC-BY-SA-2.0", "the LinCity-NG contributors", "ambience"),
    "naev-data": (
        "GPL-2+, GPL-3+, CC-BY-3.0, CC-BY-SA-3.0",
        "Vega Strike, Nikola Whallon, Askyel, Zeropage, Tenshihan and others",
        "music and effects",
    ),
    "openarena-data": ("GPL-2+", "the OpenArena team", "ambience and effects"),
    "sonic-pi-samples": ("CC0-1.0", "contributors of freesound.org", "effects"),
    STAMPS: ("GPL-2", "Bill Kendrick and the Tux Paint contributors", "voices stamps-*, effects"),
    "warzone2100-data": (
        "GPL-2+",
        "Eidos Interactive, Warzone 2100 Project",
        "voices computer, tutor, commander; ambience, effects",
    ),
    "wesnoth-1.16-data": ("GPL-2+", "the Wesnoth contributors", "effects"),
    "wesnoth-1.16-music": ("GPL-2+", "the Wesnoth contributors", "music"),
}


def packages():
    """List the names of all packages, sorted."""
    pairs = [pair for part in SPEECH.values() for pair in part.values()]
    tables = [INTERFERENCE, *WILD.values()]
    pairs += [pair for table in tables for kind in table.values() for pair in kind]
    return sorted({package for package, _ in pairs})


def n_steps():
    """Count what a build reports: packages, voices, kinds, rooms and mixtures of each part."""
    kinds = len(INTERFERENCE) + sum(map(len, WILD.values()))
    return len(packages()) + sum(map(len, SPEECH.values())) + kinds + 1 + len(WILD)


def speech_files(folder, package, pattern):
    """List the prompts of one voice, sorted, as paths relative to `folder`."""
    files = _matching(folder, [(package, pattern)])
    return [path for path in files if not NOT_SPEECH.search("/" + path)]


def interference_files(folder, kind):
    """List the recordings of one kind of interference, sorted, relative to `folder`."""
    wild = {path for part in WILD for name in WILD[part] for path in wild_files(folder, part, name)}
    return [path for path in _without_speech(folder, INTERFERENCE[kind]) if path not in wild]


def wild_files(folder, part, kind):
    """List the recordings of one kind that only the wild mixtures of `part` have."""
    return _without_speech(folder, WILD[part][kind])


def group(kind, path):
    """Name what is held out as a whole: a language for people, else the recording itself."""
    return LANGUAGE.search(path)[1] if kind == "people" else path


def _without_speech(folder, pairs):
    return [path for path in _matching(folder, pairs) if not SPOKEN.search(path)]


def _matching(folder, pairs):
    found = set()
    for package, pattern in pairs:
        paths = [p for p in (folder / package).rglob("*") if p.is_file()]
        names = (path.relative_to(folder).as_posix() for path in paths)
        found.update(name for name in names if fnmatch.fnmatchcase(name, pattern))
    return sorted(found)
