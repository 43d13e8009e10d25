/** Ends this process, with a sentence and exit code 1, if an argument of `npm run <script>` is not of the form of `what`. */
export function requireEach(script: string, args: readonly string[], form: RegExp, what: string): void {
  const wrong = args.find((arg) => !form.test(arg))
  if (wrong === undefined) return
  console.error(`${script}: ${wrong} is not ${what}`)
  process.exit(1)
}
