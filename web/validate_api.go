package web

import (
	"github.com/gofiber/fiber/v2"

	"assay/internal/fault"
	"assay/validators"
)

// checks returns the validators, or why they cannot be asked.
func (s *site) checks() (*validators.Store, error) {
	if s.Validators == nil {
		return nil, fault.Say(fault.Unavailable, "The validators cannot be asked now.")
	}
	return s.Validators, nil
}

// validateAPI is POST /v1/validate: one output, one verdict, the same JSON as
// the command's.
func (s *site) validateAPI(c *fiber.Ctx) error {
	store, err := s.checks()
	if err != nil {
		return err
	}
	var q struct {
		Validator string `query:"validator"`
	}
	if err := readQuery(c, &q); err != nil {
		return err
	}
	in, err := validators.ReadInput(c.Request().Body())
	if err != nil {
		return err
	}
	verdict, err := store.Validate(c.UserContext(), actorOf(c), q.Validator, in)
	if err != nil {
		return err
	}
	return c.JSON(verdict)
}

const validateSchema = `{"type":"object","required":["artifact"],"properties":{
	"id":{"type":"string"},"task_class":{"type":"string"},
	"artifact":{"anyOf":[
		{"type":"object","required":["kind","formula"],"properties":{"kind":{"const":"formula"},"formula":{"type":"string"},"cell":{"type":"string"},"cells":{"type":"object"},"locale":{"type":"string"},
			"fixture":{"type":"string","description":"a workbook that was kept, by its name or as name@version"}}},
		{"type":"object","required":["kind","sql"],"properties":{"kind":{"const":"sql"},"dialect":{"enum":["sqlite","postgres","duckdb","clickhouse"]},"sql":{"type":"string","maxLength":65536},"schema":{"type":"string"},
			"fixture":{"type":"string","description":"tables that were kept, by their name or as name@version; a schema beside it comes on top"},"database":{"type":"string","description":"another word for fixture"}}},
		{"type":"object","required":["kind","language","code"],"properties":{"kind":{"const":"code"},"language":{"enum":["python","javascript","go","bash"]},"code":{"type":"string"},"entry_point":{"type":"string"}}},
		{"type":"object","required":["kind","response"],"properties":{"kind":{"const":"text"},"response":{"type":"string"},"context":{"type":"array","items":{"type":"string"}},"requires_citation":{"type":"boolean"}}},
		{"type":"object","required":["kind"],"properties":{"kind":{"type":"string","description":"tools, or the kind of a validator the operator brought"}}}]},
	"expected":{"type":"object","description":"value and tolerance, or error (formula); sql, or rows and ordered (sql); tests, or stdin and stdout (code)"}}}`

const verdictSchema = `{"type":"object","required":["id","validator","version","verdict","reason","message","evidence","input_hash","sandbox","limits","elapsed_ms"],"properties":{
	"id":{"type":"string"},"validator":{"type":"string"},"version":{"type":"string"},
	"verdict":{"enum":["pass","fail","inconclusive"]},"reason":{"type":"string"},"message":{"type":"string"},
	"evidence":{"type":"object"},"input_hash":{"type":"string"},"sandbox":{"type":"string"},
	"limits":{"type":"object","properties":{"wall_ms":{"type":"integer"},"memory_mb":{"type":"integer"},"output_kb":{"type":"integer"}}},
	"elapsed_ms":{"type":"number"}}}`

var validatorOperations = map[string]operation{
	"POST /v1/validate": {Summary: "One output, one verdict. The artifact's kind chooses the validator unless one is named; a suspended one is 503.",
		Query:   []parameter{{Name: "validator", Words: "the validator's name"}},
		Body:    &content{Schema: validateSchema},
		Answers: map[int]content{200: {Words: "the verdict", Schema: verdictSchema}}},
}
