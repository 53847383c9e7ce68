package mapping

import (
	"fmt"
	"strings"
)

// separators has, by the sign before the fraction, the signs that may stand between groups of
// three digits. They include the no-break spaces that spreadsheets write.
var separators = map[string]string{",": ".' \u00a0\u202f\u2019", ".": ",' \u00a0\u202f\u2019"}

// point turns a text with the field's decimal sign, such as 2.345,75, into one with a point
// and without separators. It refuses a text in which the signs are used in another way: 12.5
// is not 125, whatever the field's sign is.
func (f *compiled) point(v any) (any, error) {
	s, isText := v.(string)
	if !isText || f.Decimal == "" {
		return v, nil
	}
	text := strings.TrimSpace(s)
	sign := text[:len(text)-len(strings.TrimLeft(text, "+-"))]
	whole, fraction, _ := strings.Cut(text[len(sign):], f.Decimal)
	wrong := fmt.Errorf("%.40q is not a number with %q as its decimal sign", s, f.Decimal)
	if i := strings.IndexAny(whole, separators[f.Decimal]); i >= 0 {
		by := string([]rune(whole[i:])[0])
		groups := strings.Split(whole, by)
		for n, g := range groups {
			if !digits(g) || len(g) > 3 || n > 0 && len(g) != 3 {
				return nil, wrong
			}
		}
		whole = strings.Join(groups, "")
	}
	if strings.ContainsAny(whole+fraction, ".,") {
		return nil, wrong
	}
	if fraction != "" {
		fraction = "." + fraction
	}
	return sign + whole + fraction, nil
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// decimalHint adds to an error about a number how to read a decimal comma.
func (f *compiled) decimalHint(v any, err error) error {
	if s, ok := v.(string); ok && err != nil && f.Decimal == "" && strings.Contains(s, ",") {
		return fmt.Errorf(`%w; if the comma stands before the fraction, give the field "decimal": ","`, err)
	}
	return err
}
