/* Does a run of TCP payload begin like an HTTP/1 message? Plain C, shared with the host tests.
 *
 * Only opens a door: user space parses to the letter and has the last word. So a false "yes" costs a few
 * records, a false "no" would lose a request.
 */
#ifndef SONDE_HTTP_SNIFF_H
#define SONDE_HTTP_SNIFF_H

#include "event.h"

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

/* "PROPPATCH /" and its like fit; "VERSION-CONTROL /" (RFC 3253), the longest registered method, too. */
#define SONDE_SNIFF_BYTES 17

enum sonde_sniff { SONDE_SNIFF_NO = 0, SONDE_SNIFF_YES = 1, SONDE_SNIFF_PARTIAL = 2 };

static __always_inline int sonde_is_method_byte(__u8 c)
{
	return (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
}

/* First byte of each form of request-target (RFC 9112 §3.2): origin, asterisk, absolute, authority. */
static __always_inline int sonde_is_target_start(__u8 c, int connect)
{
	if (c == '/' || c == '*' || c == 'h' || c == 'H')
		return 1;
	return connect &&
	       ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '[');
}

/* bytes: SONDE_SNIFF_BYTES readable bytes, the first n of them payload. */
static __always_inline enum sonde_sniff sonde_sniff_request(const __u8 *bytes, __u32 n)
{
	__u32 i;

	/* a lone leading CRLF is allowed before a request line (RFC 9112 §2.2); user space skips it, too */
	if (n == 0)
		return SONDE_SNIFF_PARTIAL;
	if (bytes[0] < 'A' || bytes[0] > 'Z')
		return SONDE_SNIFF_NO;
	for (i = 1; i < SONDE_SNIFF_BYTES - 1; i++) {
		if (i >= n)
			return SONDE_SNIFF_PARTIAL;
		if (bytes[i] == ' ') {
			int connect = i == 7 && bytes[0] == 'C' && bytes[1] == 'O' && bytes[6] == 'T';

			if (i < 3)
				return SONDE_SNIFF_NO;
			if (i + 1 >= n)
				return SONDE_SNIFF_PARTIAL;
			return sonde_is_target_start(bytes[i + 1], connect) ? SONDE_SNIFF_YES
									    : SONDE_SNIFF_NO;
		}
		if (!sonde_is_method_byte(bytes[i]))
			return SONDE_SNIFF_NO;
	}
	return SONDE_SNIFF_NO;
}

/* "HTTP/1."; bytes: at least 7 of them readable */
static __always_inline enum sonde_sniff sonde_sniff_response(const __u8 *bytes, __u32 n)
{
	const char *start = "HTTP/1.";
	__u32 i;

	for (i = 0; i < 7; i++) {
		if (i >= n)
			return SONDE_SNIFF_PARTIAL;
		if (bytes[i] != (__u8)start[i])
			return SONDE_SNIFF_NO;
	}
	return SONDE_SNIFF_YES;
}

/* The HTTP/2 connection preface starts "PRI * HTTP/2" (RFC 9113 §3.4). */
static __always_inline int sonde_sniff_http2(const __u8 *bytes, __u32 n)
{
	return n >= 5 && bytes[0] == 'P' && bytes[1] == 'R' && bytes[2] == 'I' && bytes[3] == ' ' &&
	       bytes[4] == '*';
}

/* The last bytes of a segment are an empty line: a head that ends here is complete. */
static __always_inline int sonde_ends_with_empty_line(const __u8 tail[SONDE_TAIL_BYTES])
{
	const __u8 *end = tail + SONDE_TAIL_BYTES;

	return end[-1] == '\n' && (end[-2] == '\n' || (end[-2] == '\r' && end[-3] == '\n'));
}

/* Looks for a head's end: its first empty line. */
struct sonde_search {
	__u64
	    carry; /* line ends among the last two bytes in front of the next word, the later one in bit 1 */
	__u64 empty; /* found: bit i + 2: an empty line ends with byte i of the word at `at`; 0: not found */
	__u32 at;
	__u32 pad;
};

/* before: the last two bytes in front of the first word, the later one in the low byte. */
static __always_inline void sonde_search_begin(struct sonde_search *search, __u32 before)
{
	search->carry = ((before >> 8 & 0xff) == '\n') | ((before & 0xff) == '\n') << 1;
	search->empty = 0;
}

/* Takes the eight bytes at offset `at`; 1: found. Eight bytes become eight bits, set where a line ends, and
 * two ends one or two bytes apart make an empty line. A line of one byte that is no CR counts, too; no
 * message has one. */
static __always_inline int sonde_search_word(struct sonde_search *search, __u64 word, __u32 at)
{
	const __u64 ones = 0x0101010101010101ULL;
	__u64 differs = word ^ ('\n' * ones);
	__u64 line_ends, bits, empty;

	/* no byte is zero, as far as this cheap test can tell (Hacker's Delight §6-1) */
	if (!((differs - ones) & ~differs & (ones << 7))) {
		search->carry = 0;
		return 0;
	}
	/* exact: bit 7 of each byte that is zero */
	line_ends = ~(((differs & ~(ones << 7)) + ~(ones << 7)) | differs | ~(ones << 7));
	bits = ((line_ends >> 7) * 0x0102040810204080ULL) >> 56;
	bits = bits << 2 | search->carry;
	empty = bits & (bits << 1 | bits << 2) & ~(__u64)3;
	search->carry = bits >> 8;
	search->empty = empty;
	search->at = at;
	return empty != 0;
}

/* Offset of the first byte behind the empty line; 0: none was found. */
static __always_inline __u32 sonde_search_end(const struct sonde_search *search)
{
	__u32 i;

	for (i = 0; i < 8; i++)
		if (search->empty >> (i + 2) & 1)
			return search->at + i + 1;
	return 0;
}

/* TCP sequence numbers wrap: a is before b (RFC 9293 §3.4). */
static __always_inline int sonde_seq_before(__u32 a, __u32 b)
{
	return (__s32)(a - b) < 0;
}

#endif
