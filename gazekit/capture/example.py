"""A commented study file to begin with."""

EXAMPLE = """# A study of gazekit. Paths are relative to this file. Check it with: gazekit study check STUDY.toml
# Show the plan of a participant without a tracker: gazekit record STUDY.toml --participant P01 --dry-run

[study]
name = "my study"
seed = 1                      # decides every order and everything random

[screen]                      # every degree comes from these: measure the lit area and the distance
width_px = 1920
height_px = 1080
width_mm = 527
height_mm = 296
distance_mm = 630             # from the eyes to the screen's centre

[pictures]
folder = "pictures"           # or: list = "pictures.csv" with the columns image and file

[tracker]
kind = "simulated"            # tobii, simulated, replay (file = "P01.gaze.h5", speed = 1.0) or lsl
# serial = "TPSP1-010203040506"   # or address = "tet-tcp://..."; see: gazekit trackers
# rate_hz = 600               # checked against what the tracker offers
# mode = "human"
# license = "lab.lic"
# silence_ms = 250            # no sample for so long is a lost connection: notice, pause, the picture again
# lsl_outlet = true           # send gaze and markers to the Lab Streaming Layer as well

# [record]
# backup = "/media/usb"       # a second copy of every session file, compared byte for byte

[calibration]
points = 5                    # 0, 5, 9, or a list: [[0.5, 0.5], [0.1, 0.1], [0.9, 0.9]]
attempts = 3
eyes = "both"                 # left or right: one eye alone

[validation]
points = 4                    # at places of their own
gate_deg = 1.0                # nothing is shown before every eye is as accurate as this
# drift_check_deg = 1.5       # after each break

[presentation]
duration_ms = 5000
cross_ms = 500
order = "random"              # listed, random, blocked (with block_size), latin-square
# break_every = 20
# repeat_below = 0.5          # pictures with less valid gaze than this share are offered again after their block
background = [128, 128, 128]
display = 0
fullscreen = true
photodiode = false

[rating]                      # leave this section out for free viewing alone
question = "How beautiful is this picture?"
low = 1
high = 10

# [[questions]]
# name = "glasses"
# text = "Do you wear glasses?"
# choices = ["no", "glasses", "contact lenses"]
# when = "before"

[fixations]
detector = "ivt"

[attention]
sigma_deg = 1.0               # of the maps
mask = "rectangle"            # what masks keep; or patches (patches = 3, patch_share = 0.2), or region
share = 0.7                   # of the map's mass; with share_of = "area" of the picture

# [dataset]                   # gazekit build-dataset STUDY.toml joins:
# out = "study.dataset.h5"
# sessions = ["sessions"]
# ratings = "ratings.csv"     # image, c1 .. cK; or rater, image, score, with scale = 10

# [bids]                      # gazekit export and gazekit publish say of the data set:
# authors = ["First Author", "Second Author"]
# licence = "CC-BY-4.0"
# task_description = "Free viewing of photographs"
# instructions = "Look at the pictures."
# institution = "University"
"""
