package simulation

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"github.com/headgate/headgate/config"
)

// The files of a case. A folder with events is a case. Its configuration lies beside them, or
// in the nearest folder above.
const (
	eventsFile   = "events.jsonl"
	expectedFile = "expected.jsonl"
	configFile   = "config.json"
)

// Case is one case of a team's own: events, and what is expected of them.
type Case struct {
	Name string // the folder's path
	dir  fs.FS
}

// Cases returns the cases in a folder, by their names.
func Cases(dir fs.FS) ([]Case, error) {
	var all []Case
	err := fs.WalkDir(dir, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && path.Base(name) == eventsFile {
			all = append(all, Case{Name: path.Dir(name), dir: dir})
		}
		return err
	})
	slices.SortFunc(all, func(a, b Case) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return all, err
}

// Run plays the case, and returns the difference between what is expected and what happened.
// fallback is the configuration of a case that has none; nil: it must have one. service is
// the name of the service that is played; "": the first.
func (c Case) Run(ctx context.Context, fallback *config.Config, service string) (difference []string, err error) {
	cfg, err := c.config(fallback)
	if err != nil {
		return nil, err
	}
	svc, err := ServiceOf(cfg, service)
	if err != nil {
		return nil, err
	}
	file, err := c.dir.Open(path.Join(c.Name, expectedFile))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	expected, err := ReadExpected(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", expectedFile, err)
	}
	events, err := c.dir.Open(path.Join(c.Name, eventsFile))
	if err != nil {
		return nil, err
	}
	defer events.Close()
	var got []*Line
	_, err = Run(ctx, svc, Read(events), Options{}, func(l *Line) error { got = append(got, l); return nil })
	if err != nil {
		return nil, fmt.Errorf("%s: %w", eventsFile, err)
	}
	return Compare(expected, got)
}

func (c Case) config(fallback *config.Config) (*config.Config, error) {
	for dir := c.Name; ; dir = path.Dir(dir) {
		name := path.Join(dir, configFile)
		text, err := fs.ReadFile(c.dir, name)
		if err == nil {
			cfg, err := config.Parse(text)
			if err != nil {
				return nil, fmt.Errorf("%s is not valid:\n%w", name, err)
			}
			return cfg, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if dir == "." {
			break
		}
	}
	if fallback == nil {
		return nil, fmt.Errorf("there is no %s in its folder or above: give --config", configFile)
	}
	return fallback, nil
}

// ServiceOf returns the service of that name; "": the first.
func ServiceOf(cfg *config.Config, name string) (config.Service, error) {
	if len(cfg.Services) == 0 {
		return config.Service{}, errors.New("the configuration has no service, so there is no gate")
	}
	if name == "" {
		return cfg.Services[0], nil
	}
	i := slices.IndexFunc(cfg.Services, func(s config.Service) bool { return s.ServiceName == name })
	if i < 0 {
		return config.Service{}, fmt.Errorf("the configuration has no service %q", name)
	}
	return cfg.Services[i], nil
}
