#!/usr/bin/env python3
"""Prints the labelled corpus of redaction, one line each: LABEL <tab> SECRET <tab> TEXT.

LABEL is the rule that must find SECRET in TEXT; "-" where nothing may be found, and SECRET is then the rule that is
tempted. The same lines on every run. Every secret is made here at random: none was ever anybody's.
"""
import base64
import random
import string
import sys
import uuid

rnd = random.Random(6)
ALNUM = string.ascii_letters + string.digits
PER_PATTERN = 80
PER_NAME = 24

# Free text around a secret, with nothing telling before it.
AROUND = [
    "{}", "got {} from upstream", "value {}, next", "({})", "user said: {}.", "\"{}\"", "'{}'",
    '{{"level":"info","message":"seen {} here","n":3}}', 'ts=2026-01-02T03:04:05Z level=warn msg="saw {} again"',
    "2026-01-02 03:04:05,678 INFO [exec-7] c.e.Shop - handling {} done in 12 ms",
    '  File "/srv/app/views.py", line 118, in get: ValueError: {}', "[10/Oct/2025:13:55:36 +0000] note {} 200 1840",
    "contact={};next=1", "a\t{}\tb", "caf\u00e9 \u2013 {} \u2013 na\u00efve", "<p>{}</p>",
]


def chars(alphabet, count):
    return "".join(rnd.choice(alphabet) for _ in range(count))


def digits(count):
    return chars(string.digits, count)


def mixed(count):
    """Random letters and digits, of each kind some."""
    return "a7Q" + chars(ALNUM, count - 5) + "3z"


def luhn_digit(number):
    total = 0
    for i, c in enumerate(reversed(number)):
        d = int(c) * (2 if i % 2 == 0 else 1)
        total += d - 9 if d > 9 else d
    return str(-total % 10)


def card_digits():
    prefix, length = rnd.choice([("4", 16), ("4", 13), ("51", 16), ("55", 16), ("2221", 16), ("2720", 16), ("34", 15),
                                 ("37", 15), ("36", 14), ("3528", 16), ("62", 16), ("65", 16), ("6011", 16),
                                 ("5018", 16), ("6759", 18)])
    number = prefix + digits(length - len(prefix) - 1)
    return number + luhn_digit(number)


def grouped(number):
    separator = rnd.choice([" ", "-", "", ""])
    if len(number) == 15:
        sizes = (4, 6, 5)
    elif len(number) == 16:
        sizes = (4, 4, 4, 4)
    else:
        return number
    parts, at = [], 0
    for size in sizes:
        parts.append(number[at:at + size])
        at += size
    return separator.join(parts)


IBANS = {"DE": 22, "FR": 27, "GB": 22, "NL": 18, "ES": 24, "IT": 27, "CH": 21, "AT": 20, "BE": 16, "NO": 15, "PL": 28,
         "SE": 24, "MT": 31, "SA": 24}


def iban(good=True):
    country = rnd.choice(sorted(IBANS))
    account = digits(IBANS[country] - 4)
    if country in ("GB", "NL", "MT"):
        account = chars(string.ascii_uppercase, 4) + account[4:]
    as_number = "".join(str(int(c, 36)) for c in account + country + "00")
    check = 98 - int(as_number) % 97
    if not good:
        check = (check + 1) % 100
    text = f"{country}{check:02d}{account}"
    if rnd.random() < 0.5:
        text = " ".join(text[i:i + 4] for i in range(0, len(text), 4))
    return text


def ssn():
    area = rnd.choice([n for n in range(1, 900) if n != 666])
    separator = rnd.choice("-- ")
    return f"{area:03d}{separator}{rnd.randint(1, 99):02d}{separator}{rnd.randint(1, 9999):04d}"


def phone():
    area, exchange = f"{rnd.randint(2, 9)}{digits(2)}", f"{rnd.randint(2, 9)}{digits(2)}"
    s = rnd.choice(["-", ".", " "])
    return rnd.choice([
        f"+{rnd.choice(['1', '33', '44', '49', '91'])}{rnd.randint(2, 9)}{digits(9)}",
        f"+49 30 {rnd.randint(2, 9)}{digits(6)}", f"+1 ({area}) {exchange}-{digits(4)}", f"+44 20 7946 {digits(4)}",
        f"({area}) {exchange}-{digits(4)}", f"{area}{s}{exchange}{s}{digits(4)}",
        f"0{rnd.randint(1, 9)} {digits(2)} {digits(2)} {digits(2)} {digits(2)}", f"020 7946 {digits(4)}",
        f"01632 960{digits(3)}", f"0161 496 {digits(4)}",
    ])


def email():
    local = rnd.choice(["ann", "b.smith", "o'neil.x"[2:], "first.last+tag", "x_y-z", "ANN.B", "a1", "7seas", "dev%ops"])
    domain = rnd.choice(["example.com", "mail.example.co.uk", "Example.ORG", "a-b.io", "xn--bcher-kva.example",
                         "sub.sub2.example.museum", "3com.example"])
    return f"{local}{rnd.choice(['', digits(2)])}{rnd.choice(['@', '@', '@', '%40'])}{domain}"


def base64_of(text):
    return base64.b64encode(text.encode()).decode()


def jwt():
    body = [base64.urlsafe_b64encode(t.encode()).decode().rstrip("=") for t in
            ('{"alg":"HS256","typ":"JWT"}', '{"sub":"' + digits(8) + '","iat":1516239022}')]
    return ".".join(body) + "." + chars(ALNUM + "-_", 43)


def private_key():
    kind = rnd.choice(["RSA ", "EC ", "", "OPENSSH ", "ENCRYPTED "])
    lines = "\\n".join(chars(ALNUM + "+/", 64) for _ in range(3))
    return f"-----BEGIN {kind}PRIVATE KEY-----\\n{lines}\\n-----END {kind}PRIVATE KEY-----"


def ipv4():
    return ".".join(str(rnd.randint(1, 254)) for _ in range(4))


def ipv6():
    return rnd.choice([f"2001:db8::{rnd.randint(1, 65535):x}", "fe80::1ff:fe23:4567:890a", "::ffff:192.0.2.1",
                       ":".join(f"{rnd.randint(4096, 65535):x}" for _ in range(8))])


# rule: (the secret, what stands before and behind it as part of the same text)
PATTERNS = {
    "email": lambda: (email(), "", ""),
    "credit_card": lambda: (grouped(card_digits()), "", ""),
    "iban": lambda: (iban(), "", ""),
    "us_ssn": lambda: (ssn(), "", ""),
    "phone": lambda: (phone(), "", ""),
    "ipv4": lambda: (ipv4(), "", ""),
    "ipv6": lambda: (ipv6(), "", ""),
    "jwt": lambda: (jwt(), "", ""),
    "bearer": lambda: (mixed(rnd.randint(16, 60)), rnd.choice(["Bearer ", "bearer ", "BEARER  "]), ""),
    "basic_auth": lambda: (base64_of(f"user{digits(2)}:{chars(ALNUM, 9)}"), rnd.choice(["Basic ", "basic "]), ""),
    "url_password": lambda: (chars(ALNUM + "-_!", 10), rnd.choice(["postgres://app:", "https://u:", "amqp://guest:",
                                                                  "redis://:", "mongodb+srv://svc.x:"]),
                             rnd.choice(["@db:5432/shop", "@host.example", "@10-0-0-1/x"])),
    "aws_key": lambda: (rnd.choice(["AKIA", "ASIA"]) + chars(string.ascii_uppercase + "234567", 16), "", ""),
    "gcp_key": lambda: (rnd.choice(["AIza" + chars(ALNUM + "-_", 34) + "x", "ya29." + chars(ALNUM + "-_", 60),
                                    "GOCSPX-" + chars(ALNUM + "-_", 28)]), "", ""),
    "azure_key": lambda: (base64.b64encode(rnd.randbytes(64)).decode(),
                          "DefaultEndpointsProtocol=https;AccountName=x;AccountKey=", ""),
    "github_token": lambda: (rnd.choice(["ghp_", "gho_", "ghu_", "ghs_", "ghr_"]) + chars(ALNUM, 36)
                             if rnd.random() < 0.7 else "github_pat_" + chars(ALNUM, 22) + "_" + chars(ALNUM, 59),
                             "", ""),
    "slack_token": lambda: rnd.choice([(f"xox{rnd.choice('abpr')}-{digits(12)}-{chars(ALNUM, 24)}", "", ""),
                                       (f"T{digits(8)}/B{digits(8)}/{chars(ALNUM, 24)}",
                                        "https://hooks.slack.com/services/", "")]),
    "stripe_key": lambda: (rnd.choice(["sk_live_", "sk_test_", "rk_live_", "whsec_"]) + chars(ALNUM, 32), "", ""),
    "private_key_block": lambda: (private_key(), "", ""),
}

# Names whose value is hidden whatever it is, and names whose value must look made by a machine.
ALWAYS = ["password", "passwd", "passphrase", "passcode", "pwd", "secret", "api_key", "private_key", "client_secret",
          "ssn", "social_security", "cvv", "card_number", "session_id", "otp"]
RANDOM = ["credential", "access_key", "token", "session", "csrf", "xsrf", "auth", "key", "signature", "sig", "sid"]


def spelled(name):
    words = name.split("_")
    camel = words[0] + "".join(w.capitalize() for w in words[1:])
    plain = [name, name.upper(), "-".join(words), camel, camel[0].upper() + camel[1:], ".".join(words)]
    return rnd.choice(plain + ["db_" + name, "user." + name, "app" + camel[0].upper() + camel[1:], "X-" + "-".join(words)])


def named(name, secret):
    n = spelled(name)
    return rnd.choice([
        f"login {n}={secret} ok", f'{{"a":1,"{n}":"{secret}","b":2}}', f'{{"deep":{{"er":[{{"{n}": "{secret}"}}]}}}}',
        f"{{'{n}': '{secret}', 'x': 1}}", f'{{"message":"{{\\"{n}\\":\\"{secret}\\"}}"}}', f'msg="bad" {n}="{secret}"',
        f"export {n}={secret}", f"a=1&{n}={secret}&b=2", f"run --{n} {secret} --verbose", f"form[{n}]={secret}",
        f"{n} => {secret}", f"{n}: {secret}", f"GET /cb?x=1&{n}={secret} HTTP/1.1", f"{n}%3D{secret}%26b%3D2",
    ])


def fails_luhn():
    number = card_digits()
    return grouped(number[:-1] + str((int(number[-1]) + rnd.randint(1, 9)) % 10))


# rule that is tempted: texts that hold no secret
NEGATIVES = {
    "credit_card": [lambda: f"order {fails_luhn()} shipped", lambda: f'{{"order_id":"{fails_luhn()}"}}',
                    lambda: f"request {uuid.UUID(int=rnd.getrandbits(128), version=4)} done",
                    lambda: f"at 17{digits(11)} ms", lambda: f"took {digits(4)} {digits(4)} {digits(3)} cycles",
                    lambda: f"offset=17{digits(17)}", lambda: f"0.{digits(16)}e-3"],
    "us_ssn": [lambda: f"part 000-{digits(2)}-{digits(4)}", lambda: f"part 666-{digits(2)}-{digits(4)}",
               lambda: f"lot 9{digits(2)}-{digits(2)}-{digits(4)}", lambda: f"on 2026-{rnd.randint(10, 12)}-{digits(2)}",
               lambda: f"sku {digits(4)}-{digits(2)}-{digits(4)}", lambda: f"x{digits(3)}-12-{digits(4)}"],
    "phone": [lambda: f"release 2026.{rnd.randint(10, 12)}.{digits(2)}.{digits(4)}", lambda: f"range 10{digits(1)}-12{digits(1)}-13{digits(1)}",
              lambda: f"1{digits(2)}-{digits(3)}-{digits(4)}", lambda: f"timezone +0{rnd.randint(1, 9)}00 or +05:30",
              lambda: f"diff +{rnd.randint(100, 999)} -{rnd.randint(100, 999)} lines", lambda: f"{digits(5)}-{digits(3)}-{digits(3)}",
              lambda: "2026-01-02 03:04:05 +0000", lambda: f"build 20260102.{digits(3)}"],
    "iban": [lambda: f"ref {iban(False)}", lambda: f"serial AB{digits(10)}", lambda: f"flight LH{digits(4)} GATE{digits(2)}",
             lambda: f"XX{digits(20)}"],
    "email": [lambda: f"root@web-{digits(1)} logged in", lambda: f"lodash@4.17.{digits(2)}", lambda: "@Deprecated method",
              lambda: f"image nginx@sha256:{chars('0123456789abcdef', 64)}", lambda: "a @ b.c at 3@4", lambda: "react@18.2.0",
              lambda: "git clone git@host:org/x"],
    "ipv4": [lambda: f"version {ipv4()}", lambda: f"v{ipv4()}", lambda: f"oid 1.3.6.1.4.1.{digits(4)}",
             lambda: f"999.{digits(3)}.1.300", lambda: f"release-{digits(1)}.{digits(1)}.3"],
    "ipv6": [lambda: f"mac 00:1a:2b:3c:4d:{rnd.randint(16, 255):x}", lambda: "03:04:05.678", lambda: "std::vector a::b",
             lambda: "Foo::Bar", lambda: f"cache user:{digits(4)}:profile"],
    "jwt": [lambda: "eyJust a word.", lambda: "key eyJ0.short", lambda: "theyJoined.us"],
    "bearer": [lambda: "bearer authentication failed", lambda: "the bearer of news", lambda: "WWW-Authenticate: Bearer realm=api"],
    "basic_auth": [lambda: "basic authentication required", lambda: "Basic usage: see docs", lambda: "a basic test123 run"],
    "url_password": [lambda: f"http://host:8080/path?x={digits(2)}", lambda: "redis://cache:6379/0",
                     lambda: "https://example.com/@user", lambda: "ssh://git@host/org"],
    "aws_key": [lambda: "AKIA is a prefix", lambda: f"XAKIA{chars(string.ascii_uppercase, 16)}9", lambda: "ASIAN markets"],
    "gcp_key": [lambda: "AIza-short", lambda: "ya29.x"],
    "github_token": [lambda: "ghp_short", lambda: f"commit {chars('0123456789abcdef', 40)}"],
    "slack_token": [lambda: "xoxb-", lambda: "see hooks.slack.com for more"],
    "stripe_key": [lambda: "sk_live_x", lambda: "task_live_view"],
    "private_key_block": [lambda: "-----BEGIN CERTIFICATE-----", lambda: "-----BEGIN PUBLIC KEY-----"],
    "token": [lambda: f"max_tokens={digits(4)}", lambda: f"tokens: {digits(3)}", lambda: "unexpected token ';' in line 3",
              lambda: "token bucket is full", lambda: "token: expected ')'", lambda: 'tokenizer="bpe"',
              lambda: "token_type=bearer token_count=12", lambda: "token=null", lambda: 'next token: "}"'],
    "session": [lambda: "session opened for user root", lambda: f"session_timeout={digits(2)}", lambda: "sessions: 12",
                lambda: "Session::open", lambda: "GET /api/v1/sessions HTTP/1.1"],
    "password": [lambda: "password authentication enabled", lambda: "password_reset=true", lambda: "Enter password: ",
                 lambda: "passwords must have 12 letters", lambda: "password=*** ok", lambda: "password_policy=strong"],
    "secret": [lambda: "secretary=Bob", lambda: "secrets-manager started", lambda: "no secret in here"],
    "key": [lambda: "key=user:42", lambda: "primary key (id)", lambda: "sort_key=created_at", lambda: "monkey=banana",
            lambda: "key: us-east-1", lambda: "keyboard=us", lambda: f"cache key=orders/{digits(3)}/items"],
    "auth": [lambda: "auth=none", lambda: "author=Ann Smith", lambda: "authority: shop.local", lambda: "auth: ok"],
    "sig": [lambda: "sig=SIGTERM", lambda: "signal=15", lambda: "design=flat", lambda: "signature invalid"],
    "cookie": [lambda: "cookie jar is empty", lambda: "cookies: 3", lambda: "cookie_policy=lax"],
}


def secret_for(name):
    if name in RANDOM or rnd.random() < 0.4:
        return rnd.choice([chars("0123456789abcdef", 31) + "a", mixed(24), mixed(40)])
    return rnd.choice(["hunter2", "correct-horse", "Tr0ub4dor&3".replace("&", "!"), digits(6), "p@ss-w0rd", "s3cr3t.value"])


def lines():
    for rule, make in PATTERNS.items():
        for i in range(PER_PATTERN):
            secret, before, behind = make()
            yield rule, secret, AROUND[i % len(AROUND)].format(before + secret + behind)
    for name in ALWAYS + RANDOM:
        for _ in range(PER_NAME):
            secret = secret_for(name)
            yield name, secret, named(name, secret)
    for rule, makers in NEGATIVES.items():
        for i in range(PER_NAME):
            yield "-", rule, makers[i % len(makers)]()


def main():
    for label, secret, text in lines():
        for part in (label, secret, text):
            assert "\n" not in part
        sys.stdout.buffer.write("\t".join((label, secret, text.replace("\t", " "))).encode() + b"\n")


main()
