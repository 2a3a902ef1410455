"""Against the present code: no step (must agree), and small steps."""
import numpy as np, rmt_spikes as rs
from pencil.model import model_of
from pencil.solution import Solution, Terms
for act in ('relu','tanh'):
  for eta in (0.,.5,2.):
    s=dict(n=3000,d=1500,width=2000,activation=act,target={'hermite':[0,1,.70710678]},noise_std=.5,step_size=eta,ridge=.01)
    o=rs.predict_losses(rs.Setting(**s)); o=np.array([o.objective,o.train,o.test])
    g=[np.array(Solution(model_of(s),t).losses()) for t in (Terms('none',False,False,False,False),Terms())]
    print(act,eta,o,'bare/present-1',g[0]/o-1,'full',g[1]/o-1)
