package web

import (
	"encoding/base64"
	"encoding/json"

	"assay/internal/fault"
)

// cursorOf makes the opaque text by which a list goes on: the sort key of the
// last row, nothing secret.
func cursorOf(place any) string {
	b, err := json.Marshal(place)
	if err != nil {
		panic(err) // a place is a struct of plain fields
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// readCursor reads what cursorOf wrote; an empty cursor leaves place as it is.
func readCursor(cursor string, place any) error {
	if cursor == "" {
		return nil
	}
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err == nil {
		err = json.Unmarshal(b, place)
	}
	if err != nil || len(cursor) > 1024 {
		return fault.Say(fault.Invalid, "This place in the list is not one we gave out. Start from the first page.")
	}
	return nil
}
