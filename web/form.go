package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"

	"assay/internal/fault"
)

// readForm reads a posted form into in, a pointer to a struct whose fields
// name their input in a form tag: string, bool (a checkbox), int, int64,
// float64, []string, []int64. An input the struct does not name is refused,
// so that no form can set what it does not show. Text is trimmed only at the
// ends of single-line inputs, by the handler.
func readForm(c *fiber.Ctx, in any) error {
	values := url.Values{}
	if strings.HasPrefix(c.Get(fiber.HeaderContentType), fiber.MIMEMultipartForm) {
		form, err := c.MultipartForm()
		if err != nil {
			return fault.Say(fault.Invalid, "The form could not be read.")
		}
		values = form.Value
	} else {
		var err error
		if values, err = url.ParseQuery(string(c.Request().Body())); err != nil {
			return fault.Say(fault.Invalid, "The form could not be read.")
		}
	}
	values.Del(formField)
	return fill(in, values, "form")
}

// readQuery reads the filters of an address the same way, by query tags.
func readQuery(c *fiber.Ctx, in any) error {
	values, err := url.ParseQuery(string(c.Request().URI().QueryString()))
	if err != nil {
		return fault.Say(fault.Invalid, "The filters of this address could not be read.")
	}
	return fill(in, values, "query")
}

// readJSON reads a JSON body into in and refuses fields in does not have.
func readJSON(c *fiber.Ctx, in any) error {
	d := json.NewDecoder(bytes.NewReader(c.Request().Body()))
	d.DisallowUnknownFields()
	err := d.Decode(in)
	if err == nil {
		if _, more := d.Token(); more != io.EOF {
			err = errors.New("more than one value")
		}
	}
	if err != nil {
		return fault.Say(fault.Invalid, "The body is not the JSON object this address takes: %s.", jsonTrouble(err))
	}
	return nil
}

// jsonTrouble says where the body went wrong without repeating its text.
func jsonTrouble(err error) string {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return "it breaks off at byte " + strconv.FormatInt(syntax.Offset, 10)
	case errors.As(err, &kind) && kind.Field != "":
		return "the field " + kind.Field + " must be of type " + kind.Type.String()
	case strings.HasPrefix(err.Error(), "json: unknown field"):
		return "it has a field that is not known here"
	}
	return "it cannot be decoded"
}

func fill(in any, values url.Values, tag string) error {
	target := reflect.ValueOf(in).Elem()
	known := map[string]bool{}
	for i := range target.NumField() {
		name := target.Type().Field(i).Tag.Get(tag)
		if name == "" {
			continue
		}
		known[name] = true
		if err := set(target.Field(i), values[name]); err != nil {
			return fault.Say(fault.Invalid, "The field %s %s.", name, err)
		}
	}
	for name := range values {
		if !known[name] {
			return fault.Say(fault.Invalid, "This address has a field it does not know. It knows %s.", listed(known))
		}
	}
	return nil
}

func listed(known map[string]bool) string {
	names := []string{}
	for name := range known {
		names = append(names, name)
	}
	slices.Sort(names)
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

func set(field reflect.Value, sent []string) error {
	for _, text := range sent {
		if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
			return errors.New("is not valid text")
		}
	}
	last := ""
	if len(sent) > 0 {
		last = sent[len(sent)-1]
	}
	switch field.Kind() {
	case reflect.Slice:
		if len(sent) > 1000 {
			return errors.New("has more than 1,000 values")
		}
		list := reflect.MakeSlice(field.Type(), 0, len(sent))
		for _, text := range sent {
			one := reflect.New(field.Type().Elem()).Elem()
			if err := set(one, []string{text}); err != nil {
				return err
			}
			list = reflect.Append(list, one)
		}
		field.Set(list)
		return nil
	case reflect.String:
		field.SetString(last)
		return nil
	}
	if len(sent) > 1 {
		return errors.New("is given more than once")
	}
	if last == "" {
		field.SetZero()
		return nil
	}
	return setScalar(field, last)
}

func setScalar(field reflect.Value, text string) error {
	switch field.Kind() {
	case reflect.Bool:
		yes := slices.Contains([]string{"on", "true", "1", "yes"}, text)
		if !yes && !slices.Contains([]string{"off", "false", "0", "no"}, text) {
			return errors.New("must be on or off")
		}
		field.SetBool(yes)
	case reflect.Int, reflect.Int64:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return errors.New("must be a whole number")
		}
		field.SetInt(n)
	case reflect.Float64:
		x, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(x) || math.IsInf(x, 0) {
			return errors.New("must be a number")
		}
		field.SetFloat(x)
	default:
		panic("no form field of kind " + field.Kind().String())
	}
	return nil
}

// param returns a part of the path as the address bar shows it.
func param(c *fiber.Ctx, name string) string {
	raw := c.Params(name)
	if text, err := url.PathUnescape(raw); err == nil && utf8.ValidString(text) {
		return text
	}
	return raw
}

// idParam returns a numeric part of the path; what is no number names nothing.
func idParam(c *fiber.Ctx, name string) (int64, error) {
	id, err := strconv.ParseInt(c.Params(name), 10, 64)
	if err != nil || id <= 0 {
		return 0, fault.NotFound
	}
	return id, nil
}
