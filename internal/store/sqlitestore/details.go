package sqlitestore

import (
	"encoding/json"

	"github.com/headgate/headgate/internal/store"
)

// states are the values of the column claim.published.
var states = [...]store.State{store.Claimed, store.Published, store.Dropped, store.Failed, store.Gathering}

// stateNum returns the column's value, and -1 for any other state.
func stateNum(state store.State) int {
	for n, s := range states {
		if s == state {
			return n
		}
	}
	return -1
}

// encodeDetails returns the columns key, window and targets of a claim. nil is NULL.
func encodeDetails(c *store.ClaimInfo) (key, window, targets any, err error) {
	if targets, err = encodeTargets(c.Targets); err != nil || c.Window == nil {
		return nil, nil, targets, err
	}
	window, err = json.Marshal(c.Window)
	return []byte(c.Window.Key), window, targets, err
}

func encodeTargets(targets []store.Target) (any, error) {
	if len(targets) == 0 {
		return nil, nil
	}
	return json.Marshal(targets)
}

func decodeDetails(c *store.ClaimInfo, window, targets []byte) error {
	if len(window) > 0 {
		c.Window = new(store.Window)
		if err := json.Unmarshal(window, c.Window); err != nil {
			return err
		}
	}
	if len(targets) > 0 {
		return json.Unmarshal(targets, &c.Targets)
	}
	return nil
}
