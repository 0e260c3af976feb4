"""Real image sets from their own homes: fetched over HTTPS, checked, unpacked, and looked for in a lab's shared folder.

    entry = REAL_SETS["pets"]                    # what it is, its licence, its files (sources/photos/registry.py)
    place(entry)                                 # where it lies, or None: COURSE_DATA first, then the course's own folder
    download(entry, progress=bar)                # resumes, checks, unpacks; a set is there when all of it is

One thing each: entry.py (what a set is), places.py (where sets lie), addresses.py (which ones are asked), fetch.py (one
file), checks.py (is it the right one), unpack.py (archives), sets.py (a whole set), sentences.py (when it cannot be had),
command.py (`course data`).
"""
