"""Per cent change of objective/train/test when one term is dropped (dropped / full - 1)."""
import sys, numpy as np
from dataclasses import replace
from compare import cases
from pencil.model import model_of
from pencil.solution import Solution, Terms
C=cases(); full=Terms()
V={'no B,C,D-norm':Terms('none',False,False,False,True),'no length (B)':replace(full,length='none'),'no own (C)':replace(full,length='first',own=False),'v first order':replace(full,length='first'),'norm mode 2/d':replace(full,norm_mode=False),'no trace corr.':replace(full,trace=False),'no degree 2':replace(full,degree_two=False)}
for name in sys.argv[1:]:
    m=model_of(C[name]['setting'],16); g=np.array(Solution(m,full).losses()); print(name, np.round(g,4))
    for k,t in V.items(): print(f'    {k:16s}', np.round((np.array(Solution(m,t).losses())/g-1)*100,2))
