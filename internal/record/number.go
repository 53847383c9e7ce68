package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Numbers are written as JavaScript and RFC 8785 write them, except that numbers which a
// float64 cannot hold keep all their digits: a record must not change on its way.

// A number with more than maxPlain digits before the point, or more than maxZeros zeros
// after it, is written with an exponent.
const (
	maxPlain = 21
	maxZeros = 5
)

func appendFloat(b []byte, f float64) ([]byte, error) {
	abs := math.Abs(f)
	switch {
	case math.IsNaN(f) || math.IsInf(f, 0):
		return nil, errors.New("a number is not finite")
	case f == 0:
		return append(b, '0'), nil // also for -0
	case abs >= 1e-6 && abs < 1e21:
		return strconv.AppendFloat(b, f, 'f', -1, 64), nil
	}
	b = strconv.AppendFloat(b, f, 'e', -1, 64)
	if n := len(b); b[n-4] == 'e' && b[n-2] == '0' { // Go writes e-07, JavaScript e-7
		b[n-2] = b[n-1]
		b = b[:n-1]
	}
	return b, nil
}

// appendNumber appends a number with all its digits.
func appendNumber(b []byte, n json.Number) ([]byte, error) {
	s := n.String()
	if !strings.ContainsAny(s, ".eE") {
		if i, err := strconv.ParseInt(s, 10, 64); err == nil {
			return strconv.AppendInt(b, i, 10), nil
		}
	}
	var buf [32]byte
	d, ok := parseDecimal(buf[:0], s)
	if !ok {
		return nil, fmt.Errorf("%.40q is not a number", s)
	}
	return d.append(b), nil
}

// sameNumber reports whether the shortest text of f is exactly the number s.
func sameNumber(s string, f float64) bool {
	if len(s) <= 16 && !strings.ContainsAny(s, "eE") {
		return true // a float64 holds every number of 15 digits
	}
	var x, y [48]byte
	a, errA := appendNumber(x[:0], json.Number(s))
	b, errB := appendFloat(y[:0], f)
	return errA == nil && errB == nil && bytes.Equal(a, b)
}

// decimal is the number 0.DIGITS × 10^point. The digits neither begin nor end with a
// zero; the number zero has no digits.
type decimal struct {
	negative bool
	digits   []byte
	point    int
}

const (
	maxNumber   = 400           // bytes of the text of a number
	maxDigits   = 370           // digits: with sign, point and exponent they fit into maxNumber
	maxExponent = 1_000_000_000 // largest exponent; far from overflow
)

// parseDecimal parses a number of JSON's grammar. It uses buf for the digits.
func parseDecimal(buf []byte, s string) (d decimal, ok bool) {
	if len(s) > maxNumber {
		return d, false
	}
	rest, negative := strings.CutPrefix(s, "-")
	whole, rest := leadingDigits(rest)
	if whole == "" || len(whole) > 1 && whole[0] == '0' {
		return d, false
	}
	part := ""
	if after, has := strings.CutPrefix(rest, "."); has {
		if part, rest = leadingDigits(after); part == "" {
			return d, false
		}
	}
	d = decimal{negative: negative, digits: append(append(buf, whole...), part...), point: len(whole)}
	all := len(d.digits)
	d.digits = bytes.TrimLeft(d.digits, "0")
	d.point -= all - len(d.digits)
	d.digits = bytes.TrimRight(d.digits, "0")
	if len(d.digits) > maxDigits {
		return d, false
	}
	if rest == "" {
		return d, true
	}
	if rest[0] != 'e' && rest[0] != 'E' {
		return d, false
	}
	exp, err := strconv.Atoi(rest[1:])
	switch {
	case errors.Is(err, strconv.ErrSyntax):
		return d, false
	case len(d.digits) == 0:
		return d, true
	case err != nil || exp > 2*maxExponent || exp < -2*maxExponent:
		return d, false
	}
	d.point += exp
	written := d.point - 1
	return d, -maxExponent <= written && written <= maxExponent
}

func leadingDigits(s string) (digits, rest string) {
	i := 0
	for i < len(s) && '0' <= s[i] && s[i] <= '9' {
		i++
	}
	return s[:i], s[i:]
}

func (d decimal) append(b []byte) []byte {
	n := len(d.digits)
	if n == 0 {
		return append(b, '0')
	}
	if d.negative {
		b = append(b, '-')
	}
	switch {
	case d.point > maxPlain || d.point < -maxZeros:
		b = append(b, d.digits[0])
		if n > 1 {
			b = append(append(b, '.'), d.digits[1:]...)
		}
		b = append(b, 'e')
		if d.point > 0 {
			b = append(b, '+')
		}
		return strconv.AppendInt(b, int64(d.point-1), 10)
	case d.point <= 0:
		b = appendZeros(append(b, '0', '.'), -d.point)
		return append(b, d.digits...)
	case d.point < n:
		b = append(append(b, d.digits[:d.point]...), '.')
		return append(b, d.digits[d.point:]...)
	default:
		return appendZeros(append(b, d.digits...), d.point-n)
	}
}

func appendZeros(b []byte, n int) []byte {
	for range n {
		b = append(b, '0')
	}
	return b
}
