"""Run at the start of each kernel of the pages: sympy output with the symbols of the theory page."""


def _typeset(expression):
    # What typesets is loaded with the first expression: most pages have none.
    import sympy

    from rmt_spikes.theory.symbolic import formula

    names = {
        free: formula._latex_name(str(free))
        for free in expression.free_symbols
        if free.is_Symbol and (str(free) in formula.SYMBOLS or str(free).startswith(formula.TEACHER))
    }
    body = sympy.latex(expression, symbol_names=names).replace(r"c_{star}", "c_{*}")
    return rf"$\displaystyle {body}$"


# By name, so that a kernel without sympy does not import it.
_formatter = get_ipython().display_formatter.formatters["text/latex"]  # noqa: F821
for _module, _name in (("sympy.core.basic", "Basic"), ("sympy.matrices.matrixbase", "MatrixBase")):
    _formatter.for_type_by_name(_module, _name, _typeset)
