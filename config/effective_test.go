package config

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// No secret that is written into the configuration is shown with it, and a reference to one
// is. The fields are found by their tag, so that a new one is among them.
func TestNoSecretIsShown(t *testing.T) {
	t.Parallel()
	for _, form := range []string{"a secret of 32 bytes, the number %d.", "env:SECRET_%d."} {
		var c Config
		var filled []string
		fill(reflect.ValueOf(&c).Elem(), "$", func(path string) string {
			filled = append(filled, path)
			return fmt.Sprintf(form, len(filled))
		})
		require.Subset(t, filled, []string{"$.live.token.formerSecret", "$.services[0].targets[0].http.formerSecret", "$.services[0].alerts.http[0].formerSecret"})
		shown := string(c.JSON())
		for i, path := range filled {
			require.Equal(t, strings.HasPrefix(form, "env:"), strings.Contains(shown, fmt.Sprintf(form, i+1)), "%s is shown", path)
		}
	}
}

// fill gives every struct of v a value, every list one element, and every secret the one that
// secret returns for its path.
func fill(v reflect.Value, path string, secret func(path string) string) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.Type().Elem().Kind() == reflect.Struct {
			v.Set(reflect.New(v.Type().Elem()))
			fill(v.Elem(), path, secret)
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Struct || v.Type().Elem().Kind() == reflect.Pointer {
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
			fill(v.Index(0), path+"[0]", secret)
		}
	case reflect.Struct:
		for f, one := range v.Fields() {
			at := path
			if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
				at += "." + name
			}
			switch {
			case !f.IsExported():
			case f.Tag.Get("decode") != "secret":
				fill(one, at, secret)
			case f.Type.Kind() == reflect.Slice:
				one.Set(reflect.ValueOf([]string{secret(at)}))
			default:
				one.SetString(secret(at))
			}
		}
	}
}
