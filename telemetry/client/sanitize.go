package client

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"

	"github.com/google/uuid"
)

// sanitize makes an event fit to leave: no raw user id, and an id of its own
// where newID asks for one. Events that are fit already stay byte for byte.
func sanitize(raw []byte, salt string, newID bool) ([]byte, error) {
	hasUser := bytes.Contains(raw, []byte(`"user_id"`))
	if !hasUser && (!newID || bytes.Contains(raw, []byte(`"event_id"`))) {
		return raw, nil
	}
	var event map[string]json.RawMessage
	if err := json.Unmarshal(raw, &event); err != nil || event == nil {
		return nil, errors.New("an event must be a JSON object")
	}
	if user, ok := event["user_id"]; ok {
		delete(event, "user_id")
		if hash := hashUser(user, salt); hash != "" && isUnset(event["user_id_hash"]) {
			event["user_id_hash"], _ = json.Marshal(hash)
		}
	}
	if newID && isUnset(event["event_id"]) {
		event["event_id"], _ = json.Marshal(uuid.NewString())
	}
	return json.Marshal(event)
}

func isUnset(v json.RawMessage) bool {
	return len(v) == 0 || string(v) == "null" || string(v) == `""`
}

// hashUser is the salted SHA-256 of a user id; nobody has none.
func hashUser(user json.RawMessage, salt string) string {
	id := string(user)
	var text string
	if json.Unmarshal(user, &text) == nil {
		id = text
	}
	if id == "" || id == "null" {
		return ""
	}
	sum := sha256.Sum256([]byte(salt + id))
	return "sha256:" + hex.EncodeToString(sum[:])
}
