package labeling

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"assay/internal/fault"
)

// VerifiedFile is what a file of a version says of itself.
type VerifiedFile struct {
	Dataset string `json:"dataset,omitempty"` // "" of records, which do not name it
	Version int    `json:"version,omitempty"`
	Labels  int    `json:"labels"`
	SHA256  string `json:"sha256"` // the content hash of the version that the file is of
}

// VerifyFile computes the content hash from a file alone, without a store: of
// the format records it is the SHA-256 of the bytes, of JSON Lines that of
// each row without the fields that the export added (dataset, dataset_version,
// position, prompt, response, context, artifact) and with an empty correction
// and note, each followed by a line feed.
func VerifyFile(file io.Reader) (VerifiedFile, error) {
	var v VerifiedFile
	sum := sha256.New()
	lines := bufio.NewReaderSize(file, 64<<10)
	for {
		text, err := readLine(lines)
		if errors.Is(err, io.EOF) && len(bytes.TrimSpace(text)) == 0 {
			break
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return v, fmt.Errorf("read row %d: %w", v.Labels+1, err)
		}
		var row DatasetRow
		if err := json.Unmarshal(text, &row); err != nil || row.ID == 0 {
			return v, fault.Say(fault.Invalid, "Row %d is none of a dataset. Verify files of the formats records and JSON Lines.", v.Labels+1)
		}
		row.Correction, row.Note = "", ""
		canonical, err := json.Marshal(row.Record)
		if err != nil {
			return v, err
		}
		sum.Write(canonical)
		sum.Write([]byte{'\n'})
		v.Dataset, v.Version = row.Dataset, row.DatasetVersion
		v.Labels++
	}
	v.SHA256 = hex.EncodeToString(sum.Sum(nil))
	return v, nil
}
