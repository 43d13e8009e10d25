/** What is used of dclint 3: the types that its package.json names are not in the package. */
declare module 'dclint' {
  export class DCLinter {
    constructor(options: { rules: Record<string, never>; quiet: boolean; debug: boolean; exclude: string[] })
    lintFiles(
      paths: readonly string[],
      fix: boolean,
    ): { errorCount: number; messages: { type: string; message: string }[] }[]
  }
}
