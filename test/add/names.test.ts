import { describe, expect, test } from 'vitest'
import { stampNames } from '../../templates/service/generators/engine/names.ts'
import { nameFrom, nounFrom } from '../../templates/service/generators/engine/nouns.ts'

describe('nounFrom', () => {
  test.each([
    ['invoice', 'invoice', 'invoices'],
    ['invoices', 'invoice', 'invoices'],
    ['price-list', 'price-list', 'price-lists'],
    ['priceList', 'price-list', 'price-lists'],
    ['PriceLists', 'price-list', 'price-lists'],
    ['price_list', 'price-list', 'price-lists'],
    ['price list', 'price-list', 'price-lists'],
    ['PDFReport', 'pdf-report', 'pdf-reports'],
    ['company', 'company', 'companies'],
    ['address', 'address', 'addresses'],
    ['bus', 'bus', 'buses'],
    ['status', 'status', 'statuses'],
    ['key', 'key', 'keys'],
    ['box', 'box', 'boxes'],
    ['order', 'order', 'orders'],
    ['user', 'user', 'users'],
    ['sales-person', 'sales-person', 'sales-people'],
    ['children', 'child', 'children'],
    ['analysis', 'analysis', 'analyses'],
    ['movies', 'movie', 'movies'],
    ['houses', 'house', 'houses'],
    ['sizes', 'size', 'sizes'],
    ['wolf', 'wolf', 'wolves'],
    ['diagnosis', 'diagnosis', 'diagnoses'],
    ['canvas', 'canvas', 'canvases'],
    ['lens', 'lens', 'lenses'],
    ['cookies', 'cookie', 'cookies'],
    ['json-schema', 'json-schema', 'json-schemas'],
  ])('%j is %s, %s', (word, singular, plural) => {
    expect(nounFrom(word)).toEqual({ singular, plural })
  })

  test('with a plural given, both words are used as typed', () => {
    expect(nounFrom('caches', 'cacheses')).toEqual({ singular: 'caches', plural: 'cacheses' })
    expect(nounFrom('equipment', 'equipments')).toEqual({ singular: 'equipment', plural: 'equipments' })
  })

  test.each<[string, string]>([
    ['', 'is empty'],
    ['  ', 'is empty'],
    ['My Service!', 'cannot be a name'],
    ['../x', 'such as x.'],
    ['src/price-lists', 'such as src-price-lists.'],
    ['Café', 'such as cafe.'],
    ['請求書', 'such as price-list.'],
    ['3d-model', 'such as d-model.'],
    ['-x', 'cannot be a name'],
    ['a'.repeat(41), 'characters long'],
    ['class', 'reserved word in JavaScript'],
    ['package', 'reserved word in JavaScript'],
    ['reference', 'reserved word in SQL'],
    ['context', 'already uses the name'],
    ['platform', 'already uses the name'],
    ['doc', 'already uses the name'],
    ...['con', 'prn', 'aux', 'nul', 'com1', 'LPT9', 'COM0', 'cons'].map((name): [string, string] => [
      name,
      'Windows',
    ]),
  ])('%j is refused in one sentence: %s', (word, why) => {
    expect(() => nounFrom(word)).toThrow(why)
    expect(() => nounFrom(word)).toThrow(/^[^\n]*[.]$/)
  })

  test('a plural that equals the singular is refused', () => {
    expect(() => nounFrom('sheep', 'sheep')).toThrow('--plural')
    expect(() => nounFrom('equipment')).toThrow('--plural')
  })
})

test('nameFrom uses one word for both forms, and refuses what nounFrom refuses', () => {
  expect(nameFrom('exchangeRates')).toEqual({ singular: 'exchange-rates', plural: 'exchange-rates' })
  expect(() => nameFrom('delete')).toThrow('reserved word')
  expect(() => nameFrom('aux')).toThrow('Windows')
  expect(nameFrom('auxiliary').singular).toBe('auxiliary')
})

describe('stampNames', () => {
  const stamped = (text: string): string => stampNames(text, nounFrom('price-list'))

  test.each([
    ['src/widgets/widgets.routes.ts', 'src/price-lists/price-lists.routes.ts'],
    ['src/widget/widget.test.ts', 'src/price-list/price-list.test.ts'],
    ['widgets.schema.ts', 'price-lists.schema.ts'],
    ['const [widget] = widgets', 'const [priceList] = priceLists'],
    ['listWidgets(widgetRoutes, WidgetSchema)', 'listPriceLists(priceListRoutes, PriceListSchema)'],
    ['WIDGET_MAX + WIDGETS', 'PRICE_LIST_MAX + PRICE_LISTS'],
    ['widgets.id', 'priceLists.id'],
    ["path: '/widgets/:widgetId'", "path: '/price-lists/:priceListId'"],
    ['`${url}/widgets/${widget.id}`', '`${url}/price-lists/${priceList.id}`'],
    ["const prefix = 'widgets-' // `widgets-<id>`", "const prefix = 'price-lists-' // `price-lists-<id>`"],
    ["'x-widget-id'", "'x-price-list-id'"],
    ["pgTable('widgets', {", "pgTable('price_lists', {"],
    ["pgTable(\n  'widgets',", "pgTable(\n  'price_lists',"],
    ["index('widgets_created_at_id_idx')", "index('price_lists_created_at_id_idx')"],
    ["sql('select widgets.id from widgets')", "sql('select price_lists.id from price_lists')"],
    ["'LOCK TABLE widgets IN ACCESS EXCLUSIVE MODE'", "'LOCK TABLE price_lists IN ACCESS EXCLUSIVE MODE'"],
    [
      'sql`delete from widgets where id = ${widget.id}`',
      'sql`delete from price_lists where id = ${priceList.id}`',
    ],
    ["tags: ['widgets']", "tags: ['price-lists']"],
    [`running(service, 'from "widgets"')`, `running(service, 'from "price_lists"')`],
    [
      '`form-data; name="widget"; filename="a widget"`',
      '`form-data; name="priceList"; filename="a price list"`',
    ],
    [`'{"widgets": [1]}'`, `'{"priceLists": [1]}'`],
    ["form.append('widget', file)", "form.append('priceList', file)"],
    ["summary: 'Read one widget'", "summary: 'Read one price list'"],
    ["'Widgets come newest first'", "'Price lists come newest first'"],
    ['`no widget with id ${widget.id}`', '`no price list with id ${priceList.id}`'],
    ['`widget ${id} is gone`', '`price list ${id} is gone`'],
    ['/** Reads a widget, or `widgets`. */', '/** Reads a price list, or `priceLists`. */'],
    ["// Widgets' rows; see Widget.", "// Price lists' rows; see PriceList."],
    ['a /* the widget */ / widgets', 'a /* the price list */ / priceLists'],
  ])('%s', (text, expected) => {
    expect(stamped(text)).toBe(expected)
  })

  test('leaves everything else unchanged, and writes a noun of one word in one way', () => {
    const text = "const a = 'it\\'s' // don't\nconst b = /['\"]/ + `\n${c}`"
    expect(stamped(text)).toBe(text)
    expect(stampNames("widgets /widget 'a widget' widget_id", nounFrom('document'))).toBe(
      "documents /document 'a document' document_id",
    )
  })
})

test.each([
  ['invoice', 'an invoice'],
  ['order', 'an order'],
  ['umbrella', 'an umbrella'],
  ['hour', 'an hour'],
  ['user', 'a user'],
  ['unit', 'a unit'],
  ['one-pager', 'a one pager'],
  ['price-list', 'a price list'],
])('the article of %s', (word, named) => {
  expect(stampNames('/** Makes a widget. */', nounFrom(word))).toBe(`/** Makes ${named}. */`)
  expect(stampNames("'A widget as it is'", nounFrom(word))).toBe(`'A${named.slice(1)} as it is'`)
})
