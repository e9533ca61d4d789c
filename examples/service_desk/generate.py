"""Write the service desk data: customer messages of Fernhollow, an invented maker of home devices.

    python generate.py --seed 2026 --out data

Labels are drawn first and a message is then composed to state them, so each label is decided by
the text and by nothing else; README.md beside this file is the labelling rule. Three things keep
the splits apart:

* every fourth phrase of each bank is held out of training, so that validation and test measure
  generalisation and not recall of phrases;
* a message that shares too many word trigrams with any earlier one is redrawn;
* each split has its own random stream, so that a change to one leaves the others' draws alone.

Only the standard library is used, and of `random` only what Python promises never to change: the
same seed gives the same bytes on every version and platform.
"""

import argparse
import json
import os
import random
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SPLITS = {"train": 320, "validation": 100, "test": 200}
FIELDS = ("category", "urgency", "product", "ask", "sentiment")
WORDS_MIN, WORDS_MAX = 15, 70
MAX_SIMILARITY = 0.5  # Jaccard similarity of word trigrams to any earlier message

PRODUCTS = {
    "Badger": "vacuum",
    "Beaver": "heater",
    "Gecko": "scale",
    "Heron": "lamp",
    "Lynx": "doorbell",
    "Otter": "kettle",
    "Robin": "fan",
    "Wren": "speaker",
}
CATEGORIES = ("billing", "delivery", "defect", "account", "how_to", "cancellation")
URGENCIES = ("low", "normal", "high")
ASKS = (
    "refund",
    "replacement",
    "repair",
    "information",
    "update_details",
    "track_order",
    "cancel",
    "callback",
)
SENTIMENTS = ("positive", "neutral", "negative")

INSTRUCTION = (
    "Turn the customer's main request into JSON with these keys:\n"
    f"category: {', '.join(CATEGORIES)}\n"
    f"urgency: {', '.join(URGENCIES)}\n"
    f"product: {', '.join(PRODUCTS)}; null if none is named\n"
    f"ask: {', '.join(ASKS)}\n"
    f"sentiment: {', '.join(SENTIMENTS)}"
)

# --- Phrase banks -------------------------------------------------------------------------------
# {thing} is the device that the main request is about, {other} another catalog product. In every
# bank the 4th, 8th, 12th … phrase is held out of training, so each needs at least four.

FAULTS = {
    "kettle": (
        "switches itself off before the water boils",
        "drips from the base",
        "shows a red light and does nothing",
        "takes twenty minutes for a single cup",
    ),
    "lamp": (
        "flickers all evening",
        "stays dark whichever button I press",
        "buzzes at full brightness",
        "will not dim any more",
    ),
    "vacuum": (
        "loses suction after a minute",
        "leaves half the crumbs behind",
        "will not hold a charge",
        "grinds loudly on carpet",
    ),
    "speaker": (
        "crackles at low volume",
        "drops the connection every few minutes",
        "plays on one side only",
        "goes silent in the middle of a song",
    ),
    "doorbell": (
        "rings with nobody there",
        "records nothing but a grey picture",
        "misses every other visitor",
        "has stopped ringing indoors",
    ),
    "fan": (
        "wobbles on its stand",
        "squeals on the lowest setting",
        "stops turning after an hour",
        "ignores the remote control",
    ),
    "scale": (
        "shows a different weight every time",
        "is stuck on zero",
        "has a blank display",
        "is off by a few hundred grams",
    ),
    "heater": (
        "blows cold air",
        "trips the fuse",
        "clicks all night",
        "shuts down after five minutes",
    ),
}

TASKS = {
    "kettle": (
        "descale the {thing}",
        "set the {thing} to eighty degrees",
        "mute the beep of the {thing}",
        "take the lid off the {thing} for cleaning",
    ),
    "lamp": (
        "pair the {thing} with a wall switch",
        "make the {thing} come on at dusk",
        "save a colour on the {thing}",
        "change the bulb of the {thing}",
    ),
    "vacuum": (
        "empty the dust box of the {thing}",
        "wash the filter of the {thing}",
        "give the {thing} a map of the rooms",
        "keep the {thing} out of one room",
    ),
    "speaker": (
        "connect the {thing} to a second phone",
        "set an alarm on the {thing}",
        "turn down the bass on the {thing}",
        "link two of the {thing} model as a pair",
    ),
    "doorbell": (
        "change the chime of the {thing}",
        "mount the {thing} on brick",
        "let my husband answer the {thing} as well",
        "switch the {thing} to silent at night",
    ),
    "fan": (
        "make the {thing} swing from side to side",
        "set the sleep timer of the {thing}",
        "take the grille off the {thing}",
        "lock the buttons of the {thing}",
    ),
    "scale": (
        "switch the {thing} from grams to ounces",
        "weigh with a bowl on the {thing}",
        "calibrate the {thing}",
        "stop the {thing} from going to sleep",
    ),
    "heater": (
        "set a weekly schedule on the {thing}",
        "turn on the child lock of the {thing}",
        "clean the grid of the {thing}",
        "bring the {thing} into frost mode",
    ),
}

ISSUES = {
    "charge": (
        "my card was debited twice for the {thing}",
        "the invoice for the {thing} is {amount} euros above the price on your site",
        "the discount you promised on the {thing} never made it to the bill",
        "you took {amount} euros too much for the {thing}",
        "you billed me for express shipping of the {thing} although I chose the slow kind",
        "I paid for the {thing} with a voucher, yet the full sum left my bank account too",
        "a fee of {amount} euros that nobody mentioned stands on the {thing} invoice",
        "the instalment for the {thing} was collected two times in {month}",
        "a payment of {amount} euros to you shows up on my bank statement and I can't place it",
        "I was billed in {month} for something I had already paid",
        "your {month} invoice adds up to more than the items on it",
        "a service fee of {amount} euros has crept into my last statement",
    ),
    "payment_details": (
        "the card you debit for the {thing} instalments runs out in {month}",
        "invoices for the {thing} ought to carry my firm's name",
        "the bank account that pays for my {thing} has a new number",
        "the tax number on the {thing} invoice is an old one of mine",
        "my bank has moved me to a new account number",
        "the billing address on my invoices is three years out of date",
        "my credit card was swapped for one with other digits",
        "your invoices still name my former company as the payer",
    ),
    "missing_parcel": (
        "the {thing} I ordered on {date} has not turned up",
        "the tracking page for my {thing} hasn't moved since {date}",
        "the courier claims to have handed over the {thing}, but nobody here has it",
        "my {thing} was promised for {day} and the doorstep is still empty",
        "the shop mailed me that the {thing} was posted on {date}, and I have seen no van",
        "I have been waiting for the {thing} since {month}",
        "{order} with the {thing} in it seems to have got lost on the way",
        "of the two boxes you sent, the one with the {thing} never reached me",
        "parcel {order} has not got here",
        "what I ordered on {date} is nowhere to be seen",
        "your courier rang at some other house and my box is gone",
        "my order {order} was due on {day} and did not come",
    ),
    "wrong_parcel": (
        "I ordered the {thing} in {colour} and a pink one was in the box",
        "the box for the {thing} arrived with nothing inside",
        "instead of the {thing} you packed a bag of filters",
        "the {thing} you shipped has a plug for another country",
        "the parcel was meant to hold the {thing} and held somebody else's order",
        "you sent the small {thing} although I paid for the large one",
        "in the {thing} parcel I found only the manual",
        "the {thing} that reached me is the model from two years ago, not the one I chose",
    ),
    "delivery_address": (
        "the {thing} on order {order} is headed for my old flat",
        "I moved house after buying the {thing}, and it should go to {street}",
        "the {thing} should be dropped at my office, {street}, instead of my home",
        "I gave the wrong house number for the {thing}, it has to be {street}",
        "my parcel {order} ought to go to {street}",
        "the postcode on my order of {date} has two digits swapped",
        "I won't be at home, so box {order} should go to my neighbour at {street}",
        "the street on my shipping label is wrong, I live at {street}",
    ),
    "fault": (
        "my {thing} {fault}",
        "the {thing} I bought in {month} {fault}",
        "since {day} my {thing} {fault}",
        "a few weeks in, the {thing} {fault}",
        "the {thing} worked well at first, but now it {fault}",
        "straight out of the box the {thing} {fault}",
        "our {thing} is a year old and {fault}",
        "whatever I try, this {thing} {fault}",
    ),
    "login": (
        "the app for my {thing} refuses my password",
        "I can't get into the page where my {thing} is registered",
        "my profile no longer lists the {thing}",
        "every time I open the {thing} page I'm signed out",
        "the code for signing in never reaches me",
        "my profile says it is locked",
        "signing in on your site ends in an empty page",
        "there are two profiles under my name and neither lets me in",
        "your app turns down my password although I reset it on {day}",
        "I lost the phone that showed my sign-in codes",
        "the reset link for my password has run out",
        "my user name is unknown to your site all of a sudden",
    ),
    "profile": (
        "the {thing} is registered under my maiden name",
        "my {thing} is still linked to the e-mail of my ex-wife",
        "the warranty entry of my {thing} shows another phone number than mine",
        "the {thing} appears in my profile with the wrong serial number",
        "I use another e-mail address now: {email}",
        "my mobile number is a new one, {phone}",
        "I got married and my surname is {surname} now",
        "you spell my name wrong in my profile, it is {surname}",
        "my date of birth in the app is off by ten years",
        "your newsletter goes to an address at work that I gave up, use {email}",
        "the language in my profile ought to be French",
        "in your files I am Mr, while I am Ms {surname}",
    ),
    "how_to": (
        "I can't work out how to {task}",
        "the booklet doesn't say how to {task}",
        "I am trying to {task}",
        "I would love to find out how to {task}",
        "so far I have not managed to {task}",
        "my mother asked me how to {task}",
        "I looked through all the menus for a way to {task}",
        "I keep forgetting how to {task}",
    ),
    "plan": (
        "I no longer need the care plan for the {thing}",
        "the yearly cover for my {thing} is up for renewal and I won't go on with it",
        "we sold the {thing}, so its service plan is of no use to us",
        "the monthly filters for the {thing} pile up here and I have enough of them",
        "I have decided against going on with the care plan for my {thing}",
        "the trial of the premium cover for the {thing} has not convinced me to stay on",
        "I signed up for the monthly plan in {month} and don't use it",
        "the plan that I pay {amount} euros a month for is more than I need",
        "my yearly membership should not go into another round",
        "I'd rather live without the premium plan from {month} on",
    ),
    "unwanted_order": (
        "I ordered the {thing} on {date} and have changed my mind",
        "it turns out I don't need the {thing} I ordered",
        "the {thing} was meant as a present and isn't wanted any more",
        "I clicked twice and ordered one {thing} too many",
        "my flat is too small for the {thing} I ordered",
        "my husband and I both ordered the {thing}, one of them is one too many",
        "I ordered the {thing} on a whim and regret it",
        "having slept on it, I don't want the {thing} from order {order}",
    ),
}

REQUESTS = {
    "refund": (
        "please send the money back",
        "I'd like that sum returned to my card",
        "I want to be reimbursed",
        "kindly pay me back what I paid",
        "what I'm after is a refund",
        "could you return the amount to my bank account?",
        "put the money back on my card, please",
        "please transfer it all back to me",
    ),
    "replacement": (
        "please put a new one in the post",
        "I'd like another one sent in its place",
        "could you ship me one more?",
        "a fresh unit is what I'd like from you",
        "just send out another, same address",
        "I want you to replace it",
        "would you dispatch a new one to me?",
        "let me have a substitute, please",
    ),
    "repair": (
        "I'd like your workshop to mend it",
        "please get this very unit working again",
        "could a technician put it right?",
        "kindly take it in and fix it",
        "I want to keep this one, so please repair it",
        "have it serviced for me, please",
        "can you open it up and put it back in order?",
        "I would like to have it fixed by you",
    ),
    "information": (
        "could you explain what lies behind it?",
        "all I want is to know what's going on",
        "please tell me in writing how this comes about",
        "a line of explanation would be enough for me",
        "is that how it should be?",
        "I'd just like to understand the reason",
        "what should I make of that?",
        "kindly let me know why this is so",
    ),
    "steps": (
        "please write me the steps",
        "which buttons do I press?",
        "how does one do that?",
        "could you tell me in a few words?",
        "a short description would be enough",
        "what do I have to do first?",
        "please point me to the right page of the manual",
        "I'd be glad of written directions",
    ),
    "terms": (
        "what notice would I have to give?",
        "please tell me how and by when one can leave",
        "before I decide, what would it cost me to leave early?",
        "on what date could it run out at the earliest?",
        "just tell me what your terms say about leaving",
        "would I lose the warranty if I left? I only want to know that for now",
        "could you let me know how long I am tied to it?",
        "I'd first like to read what the conditions are",
    ),
    "update_details": (
        "please change it on your side",
        "could you put that right in your records?",
        "kindly enter the correct one",
        "I'd like you to overwrite the old entry",
        "please note this in your files",
        "would you amend it in your system?",
        "just update it for me, please",
        "please switch it over to the right one",
    ),
    "track_order": (
        "where is it right now?",
        "could you find out at which depot it lies?",
        "please tell me what day it will get here",
        "can you trace it for me?",
        "I'd like to know how far it has come",
        "has it even left your warehouse?",
        "please look up when I can expect it",
        "what is its status?",
    ),
    "cancel_plan": (
        "please end it",
        "I'd like to stop it for good",
        "don't renew it, please",
        "kindly take me off it",
        "please cancel it",
        "let it run out at the next date, please",
        "I want it closed as of this month",
        "consider this my notice",
    ),
    "cancel_order": (
        "please call the order off",
        "don't send it, please",
        "I'd like to withdraw the order",
        "kindly strike it from the list before it ships",
        "please cancel it",
        "take it out of your shipping queue, please",
        "I want that order stopped",
        "let us undo this order before it leaves you",
    ),
    "callback": (
        "please have someone ring me",
        "could one of your people phone me about this?",
        "I'd like to talk it over on the phone, please call me",
        "give me a ring, please",
        "what I want is a call from an adviser",
        "I would rather speak to a person, kindly telephone me",
        "can somebody call me on {phone}?",
        "please arrange for a phone conversation",
    ),
}

# What a message may say it does not want, or wants less than the real request.
DECLINED = {
    "refund": ("a refund", "my money back", "a credit note", "a bank transfer"),
    "replacement": ("a replacement", "a new one", "an exchange", "a brand-new unit"),
    "repair": ("a repair", "a visit to your workshop", "a technician", "spare parts"),
    "information": ("an explanation", "a long letter", "a link to the manual", "more information"),
    "track_order": ("a tracking link", "the parcel's status", "a delivery date", "tracking news"),
    "cancel": ("a cancellation", "an early end to it", "a full stop to it", "a way out of it"),
    "callback": ("a phone call", "a call back", "a chat on the phone", "a ring from you"),
}
DECLINES = (
    "I don't want {declined}: {request}",
    "somebody suggested {declined}, but no: {request}",
    "I thought of asking for {declined} and decided otherwise: {request}",
    "other people might want {declined}, I don't: {request}",
    "I might have wanted {declined} once, but what I really need is this: {request}",
    "I have no use for {declined}: {request}",
    "rather than {declined}, here is what I ask: {request}",
    "not {declined}, if you please: {request}",
)

# Problems that are mentioned and are not what the message is about.
SIDE_ISSUES = {
    "billing": (
        "the bill for my {other} was once {amount} euros too high",
        "you charged me twice for the {other} in {month}",
        "an old invoice for the {other} had a wrong sum on it",
        "my {other} was more expensive than advertised",
    ),
    "delivery": (
        "the {other} came a week late in {month}",
        "a courier left my {other} with a stranger",
        "my last parcel, with the {other}, took ages",
        "the {other} was first sent to a wrong street",
    ),
    "defect": (
        "my {other} has a scratch",
        "the {other} in our kitchen hums a bit",
        "a button on the {other} sticks now and then",
        "the {other} was broken in {month}",
    ),
    "account": (
        "your app signed me out twice last week",
        "my profile picture is upside down",
        "I forgot my password in {month}",
        "the site greets me by my first name only",
    ),
    "how_to": (
        "I haven't understood every setting of my {other}",
        "I had to ask a friend how the {other} is cleaned",
        "the manual of the {other} is hard to read",
        "I never found the timer on my {other}",
    ),
    "cancellation": (
        "I gave up the plan for the {other} in {month}",
        "we nearly sent the {other} back",
        "I once stopped an order for the {other}",
        "I had thought of ending my {other} plan",
    ),
}
SIDES_BEFORE = (
    "{side}, but that is settled. What I'm writing about is this:",
    "{side}. Leave that aside, what I really need help with is something else:",
    "{side}, which I can live with. The thing that matters today:",
    "{side}. That's for another day. Now to the point:",
    "{side}, and I ask nothing of you there. My actual concern:",
    "{side}, long forgotten. This is my real reason for writing:",
    "{side}. I mention it in passing, the main thing is:",
    "{side}, that has been dealt with. What remains:",
)
SIDES_AFTER = (
    "(Also, {side}, but ignore that.)",
    "By the way, {side}; nothing for you to do there.",
    "On the side: {side}. That is only a remark.",
    "PS: {side}, though I ask nothing about it.",
    "Incidentally, {side}, which has been sorted out.",
    "Oh, and {side}, but that is another story.",
    "For completeness: {side}. No action needed on that.",
    "I could add that {side}, yet that isn't my point today.",
)

URGENCY_CUES = {
    "high": (
        "I need this settled by tomorrow evening.",
        "This can't wait until next week.",
        "We go abroad tomorrow at dawn, so it has to happen before that.",
        "Please treat it as a matter of hours and not of days.",
        "My work stands still until this is dealt with.",
        "Sorry to push, but today is the last day that helps me.",
        "It is urgent, please put it at the top of your list.",
        "Other times I'd say take your time, but now I can't wait.",
        "Please look at this first thing, it won't keep.",
        "There's a newborn in the house and we need this solved today.",
        "Please act immediately.",
        "Every hour counts for me here.",
    ),
    "low": (
        "There's no hurry at all.",
        "Whenever you get round to it is fine.",
        "I ticked urgent on the form by mistake; any time this season will do.",
        "This can easily wait until after the holidays.",
        "Do the pressing cases first, mine will keep.",
        "I'm travelling for a month, so nothing needs to happen before then.",
        "Take as long as you like.",
        "You may put this at the very bottom of the pile.",
        "It isn't urgent in the least.",
        "Today or in six weeks, it's all the same to me.",
        "I can wait, really.",
        "Don't drop anything else for this.",
    ),
    "normal": (
        "An answer within your usual few days would suit me.",
        "It's no emergency, but please don't leave it lying about either.",
        "A reply in the course of the week is fine.",
        "It need not be today, though it shouldn't take months.",
        "Please handle it in the normal order.",
        "Your standard response time is all right with me.",
        "No need to rush, no need to dawdle: the usual pace.",
        "I'd expect to hear from you in the ordinary time.",
    ),
}

SENTIMENT_CUES = {
    "positive": (
        "I've been a happy customer of yours for years.",
        "Your people have always been lovely to me.",
        "I was cross at first, but your colleague in the chat was so kind that I'm won over.",
        "Apart from this I couldn't be more pleased with you.",
        "Thank you for the wonderful service so far.",
        "I tell all my friends to buy from you.",
        "Last time you sorted things out brilliantly.",
        "It's a joy to be your customer.",
        "I expected little and you surprised me in the best way.",
        "You lot are great!",
        "I think the world of your company.",
        "You'll hear no bad word from me, I'm a fan of yours.",
    ),
    "negative": (
        "I'm thoroughly disappointed in you.",
        "This is the third time I write and my patience with you is gone.",
        "I used to recommend you to everyone. Not any more.",
        "Great job, as ever: nobody ever answers me.",
        "I expected far better from a company like yours.",
        "Frankly, your service is a joke.",
        "I'm fed up with your excuses.",
        "I was happy with you once, but that has worn off.",
        "Your hotline hung up on me twice, thanks for nothing.",
        "I am anything but pleased with how you treat people.",
        "What a shambles you run.",
        "I have seldom been served so carelessly.",
    ),
    "neutral": (
        "I'm not upset, such things happen.",
        "No complaint intended, I only state the facts.",
        "Thanks in advance.",
        "Thank you for your trouble.",
        "My experience with you is neither good nor bad so far.",
        "This is meant neither as praise nor as blame.",
        "I write without any feelings about it.",
        "Thank you for reading.",
    ),
}

CHATTER = (
    "I also have the {other}, that one is fine.",
    "My order number is {order}.",
    "My sister has the {other}; hers isn't what this is about.",
    "It has been raining here since {day}.",
    "Please don't mix this up with my {other}.",
    "Bought on {date}, paid by card.",
    "The {other} next to it does its job.",
    "I got your address from a neighbour.",
    "I might get a {other} some day.",
    "I work nights, hence the odd hour of this mail.",
    "The {other} from the same shop is no trouble.",
    "The receipt is dated {date}.",
    "We bought the {other} as well, nothing to report there.",
    "Our cat, for the record, is innocent.",
    "My reference is {order}.",
    "I was about to go shopping for a {other} when I thought of this.",
)
OPENERS = (
    "Hello,",
    "Hi there,",
    "Dear team,",
    "Good evening from {town},",
    "Hey folks,",
    "Dear Sir or Madam,",
    "Good morning,",
    "To the service desk:",
    "Quick one:",
    "I am writing with regard to the following:",
    "Hiya,",
    "Greetings from {town},",
)
SIGNATURES = (
    "{name}",
    "Regards, {name}",
    "Cheers, {name}",
    "Yours sincerely, {name}",
    "Best, {name} from {town}",
    "Sent from my phone",
    "Kind regards, {name}",
    "Bye, {name}",
)

FILLERS = {
    "day": ("Monday", "Tuesday", "Thursday", "Friday", "Sunday"),
    "month": ("January", "March", "April", "June", "August", "October", "November"),
    "colour": ("white", "green", "black", "blue"),
    "town": ("Marlow", "Oakham", "Linz", "Ghent", "Cork", "Turku"),
    "name": ("Ana", "J. Okoro", "Priya", "Tom Haas", "M. Lindqvist", "Yusuf", "Mrs Bell", "Kim"),
    "surname": ("Okafor", "Brandt", "Moreau", "Silva", "Novak"),
    "email": ("ana@post.example", "tom@mail.example", "kim@home.example"),
    "street": ("4 Mill Lane", "27 Canal Road", "9 Abbey Street", "63 Park Row"),
}


@dataclass(frozen=True)
class Scenario:
    """A kind of main request: its labels, and the banks that state it.

    Attributes:
        category: Label.
        ask: Label.
        issues: Key of `ISSUES`.
        requests: Key of `REQUESTS`.
        weight: How often it occurs in a deck of requests.
    """

    category: str
    ask: str
    issues: str
    requests: str
    weight: int


SCENARIOS = (
    Scenario("billing", "refund", "charge", "refund", 3),
    Scenario("billing", "information", "charge", "information", 2),
    Scenario("billing", "callback", "charge", "callback", 1),
    Scenario("billing", "update_details", "payment_details", "update_details", 2),
    Scenario("delivery", "track_order", "missing_parcel", "track_order", 4),
    Scenario("delivery", "refund", "missing_parcel", "refund", 1),
    Scenario("delivery", "replacement", "missing_parcel", "replacement", 1),
    Scenario("delivery", "replacement", "wrong_parcel", "replacement", 1),
    Scenario("delivery", "callback", "wrong_parcel", "callback", 1),
    Scenario("delivery", "update_details", "delivery_address", "update_details", 1),
    Scenario("defect", "refund", "fault", "refund", 1),
    Scenario("defect", "replacement", "fault", "replacement", 2),
    Scenario("defect", "repair", "fault", "repair", 4),
    Scenario("defect", "information", "fault", "information", 1),
    Scenario("defect", "callback", "fault", "callback", 1),
    Scenario("account", "information", "login", "information", 2),
    Scenario("account", "callback", "login", "callback", 1),
    Scenario("account", "update_details", "profile", "update_details", 2),
    Scenario("how_to", "information", "how_to", "steps", 4),
    Scenario("how_to", "callback", "how_to", "callback", 1),
    Scenario("cancellation", "cancel", "plan", "cancel_plan", 2),
    Scenario("cancellation", "information", "plan", "terms", 1),
    Scenario("cancellation", "callback", "plan", "callback", 1),
    Scenario("cancellation", "cancel", "unwanted_order", "cancel_order", 2),
    Scenario("cancellation", "refund", "unwanted_order", "refund", 1),
)


class Draw:
    """Random choices for one split.

    Args:
        seed: Names the stream.
        held_out: Whether phrases that are held out of training may be drawn.
    """

    def __init__(self, seed: str, held_out: bool) -> None:
        self._rng = random.Random(seed)
        self._held_out = held_out

    def below(self, n: int) -> int:
        """Return an integer in [0, n); built on `random()`, whose stream Python keeps stable."""
        return int(self._rng.random() * n)

    def chance(self, probability: float) -> bool:
        """Return True with the given probability."""
        return self._rng.random() < probability

    def choice(self, options: Sequence[str]) -> str:
        """Return one of the options, whatever the split."""
        return options[self.below(len(options))]

    def phrase(self, bank: Sequence[str]) -> str:
        """Return a phrase of a bank that this split may use."""
        return self.choice([p for i, p in enumerate(bank) if self._held_out or i % 4 != 3])

    def shuffled(self, items: Sequence[Any]) -> list[Any]:
        """Return the items in random order."""
        keyed = [(self._rng.random(), index) for index in range(len(items))]
        return [items[index] for _, index in sorted(keyed)]


def generate(seed: int) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of every split, in file order."""
    splits: dict[str, list[dict[str, Any]]] = {}
    seen: list[frozenset[str]] = []
    for split, count in SPLITS.items():
        draw = Draw(f"service-desk-{seed}-{split}", held_out=split != "train")
        requests = scenario_stream(draw)
        splits[split] = []
        for number in range(1, count + 1):
            message, target = distinct_message(draw, next(requests), seen)
            splits[split].append(row(f"service-desk-{split}-{number:04d}", message, target))
    return splits


def scenario_stream(draw: Draw) -> Iterator[Scenario]:
    """Yield scenarios from shuffled decks, so that every split is balanced alike."""
    deck = [scenario for scenario in SCENARIOS for _ in range(scenario.weight)]
    while True:
        yield from draw.shuffled(deck)


def distinct_message(
    draw: Draw, scenario: Scenario, seen: list[frozenset[str]]
) -> tuple[str, dict[str, str | None]]:
    """Compose until the message has a fitting length and resembles none before it."""
    while True:
        message, target = compose(draw, scenario)
        marks = trigrams(message)
        if WORDS_MIN <= len(message.split()) <= WORDS_MAX and all(
            similarity(marks, earlier) < MAX_SIMILARITY for earlier in seen
        ):
            seen.append(marks)
            return message, target


def compose(draw: Draw, scenario: Scenario) -> tuple[str, dict[str, str | None]]:
    """Draw the remaining labels and write a message that states all of them."""
    urgency = draw.choice(URGENCIES)
    sentiment = draw.choice(SENTIMENTS)
    device = draw.choice(tuple(PRODUCTS))
    issue, product = state_issue(draw, scenario, device)
    slots = fillers(draw, device)

    remarks = []
    if urgency != "normal" or draw.chance(0.35):
        remarks.append(draw.phrase(URGENCY_CUES[urgency]))
    if sentiment != "neutral" or draw.chance(0.35):
        remarks.append(draw.phrase(SENTIMENT_CUES[sentiment]))
    if draw.chance(0.3):
        remarks.append(draw.phrase(CHATTER))
    remarks = draw.shuffled(remarks)
    remarks_before = draw.below(2) if remarks else 0

    parts = [draw.phrase(OPENERS)] if draw.chance(0.45) else []
    parts += remarks[:remarks_before]
    side_before = side_after = ""
    if draw.chance(0.22):
        side = draw.phrase(SIDE_ISSUES[other_category(draw, scenario.category)])
        if draw.chance(0.5):
            side_before = draw.phrase(SIDES_BEFORE).format(side=side)
        else:
            side_after = draw.phrase(SIDES_AFTER).format(side=side)
    parts += [side_before, *main_request(draw, scenario, issue)]
    parts += [*remarks[remarks_before:], side_after]
    if draw.chance(0.3):
        parts.append(draw.phrase(SIGNATURES))

    text = join_sentences([part.format_map(slots) for part in parts if part])
    target = {
        "category": scenario.category,
        "urgency": urgency,
        "product": product,
        "ask": scenario.ask,
        "sentiment": sentiment,
    }
    return roughen(draw, text), target


def state_issue(draw: Draw, scenario: Scenario, device: str) -> tuple[str, str | None]:
    """Return the problem's sentence and the product that it names, None where it names none."""
    kind = PRODUCTS[device]
    bank = ISSUES[scenario.issues]
    issue = draw.phrase(bank)
    if "{task}" in issue:
        issue = issue.replace("{task}", draw.phrase(TASKS[kind]))
    if "{fault}" in issue:
        issue = issue.replace("{fault}", draw.phrase(FAULTS[kind]))
    if "{thing}" not in issue:
        return issue, None
    if draw.chance(0.12):  # a kind of device is no catalog name: "the kettle" is null
        return issue.replace("{thing}", kind), None
    name = f"{device} {kind}" if draw.chance(0.5) else device
    return issue.replace("{thing}", name), device


def main_request(draw: Draw, scenario: Scenario, issue: str) -> list[str]:
    """Return problem and request as sentences, in either order."""
    request = draw.phrase(REQUESTS[scenario.requests])
    declinable = [
        other.ask
        for other in SCENARIOS
        if other.category == scenario.category
        and other.ask != scenario.ask
        and other.ask in DECLINED
    ]
    if draw.chance(0.22):
        declined = draw.phrase(DECLINED[draw.choice(declinable)])
        request = draw.phrase(DECLINES).format(declined=declined, request=request)
    if draw.chance(0.18):
        return [request, f"the reason: {issue}"]
    return [issue, request]


def other_category(draw: Draw, category: str) -> str:
    """Return a category that is not the given one."""
    return draw.choice([other for other in CATEGORIES if other != category])


def fillers(draw: Draw, device: str) -> dict[str, str]:
    """Draw the incidental facts of a message; the other product is never the one at issue."""
    slots = {name: draw.choice(options) for name, options in FILLERS.items()}
    other = draw.choice([product for product in PRODUCTS if product != device])
    slots["other"] = f"{other} {PRODUCTS[other]}" if draw.chance(0.3) else other
    slots["order"] = f"FH-{1000 + draw.below(9000)}"
    slots["amount"] = str(6 + draw.below(60))
    slots["date"] = f"{1 + draw.below(28)} {slots['month']}"
    slots["phone"] = f"555 {1000 + draw.below(9000)}"
    return slots


def join_sentences(parts: Sequence[str]) -> str:
    """Join parts into running text, with capitals and full stops as most people write them."""
    text = ""
    for part in parts:
        if not text.endswith((",", ":")):
            part = part[0].upper() + part[1:]
        if part[-1].isalnum():
            part += "."
        text += (" " if text else "") + part
    return text


def roughen(draw: Draw, text: str) -> str:
    """Give some messages slips of the keyboard, and some no capitals at all."""
    if draw.chance(0.1):
        text = text.lower()
    if draw.chance(0.1):
        text = text.replace("'", "")
    slips = 1 + draw.below(2) if draw.chance(0.35) else 0
    for _ in range(slips):
        words = text.split(" ")
        at = draw.below(len(words))
        words[at] = slip(draw, words[at])
        text = " ".join(words)
    return text


def slip(draw: Draw, word: str) -> str:
    """Swap, drop or double one inner letter; short words, numbers and products stay readable."""
    bare = word.strip(".,:;?!()")
    if len(bare) < 5 or not bare.isalpha() or bare.capitalize() in PRODUCTS:
        return word
    at = word.index(bare) + 1 + draw.below(len(bare) - 2)
    kind = draw.below(3)
    if kind == 0:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    if kind == 1:
        return word[:at] + word[at + 1 :]
    return word[:at] + word[at] + word[at:]


def trigrams(message: str) -> frozenset[str]:
    """Return the word trigrams of a message without case, digits and punctuation."""
    words = re.findall(r"[a-z]+", message.lower())
    return frozenset(" ".join(words[i : i + 3]) for i in range(len(words) - 2))


def similarity(a: frozenset[str], b: frozenset[str]) -> float:
    """Return the Jaccard similarity of two sets."""
    return len(a & b) / len(a | b) if a or b else 1.0


def row(name: str, message: str, target: dict[str, str | None]) -> dict[str, Any]:
    """Return one line of a data file: a conversation whose last turn is the right answer."""
    answer = json.dumps(target, ensure_ascii=False, separators=(",", ":"))
    return {
        "id": name,
        "messages": [
            {"role": "system", "content": INSTRUCTION},
            {"role": "user", "content": message},
            {"role": "assistant", "content": answer},
        ],
    }


def as_jsonl(rows: Sequence[dict[str, Any]]) -> bytes:
    """Serialise rows, one a line."""
    return "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows).encode()


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is either the old one or the whole new one."""
    with tempfile.NamedTemporaryFile(
        dir=path.parent, prefix=f".{path.name}.", delete=False
    ) as file:
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            os.chmod(file.name, 0o644)
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise


def main() -> None:
    """Write `train.jsonl`, `validation.jsonl` and `test.jsonl`."""
    parser = argparse.ArgumentParser(description="Write the service desk data.")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "data")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for split, rows in generate(options.seed).items():
        path = options.out / f"{split}.jsonl"
        write_whole(path, as_jsonl(rows))
        print(f"{path}: {len(rows)} rows")


if __name__ == "__main__":
    main()
