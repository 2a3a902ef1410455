"""Given labels (and a Gaussian readout's own draws ignored): ordered values beyond the learnt two, predicted/simulated."""
import sys, numpy as np
from pencil.model import model_of
from pencil.samples import sample_spectrum, first_batch
n=int(sys.argv[1]); trials=int(sys.argv[2])
s=dict(n=n,d=n//2,width=2*n//3,activation='relu',target={'hermite':[0,1,.70710678]},noise_std=.5,step_size=n**.5,ridge=.01); s.update(eval(sys.argv[3]) if len(sys.argv)>3 else {})
sp=int(sys.argv[4]) if len(sys.argv)>4 else 1 if s.get('readout')=='constant' else 2
m=model_of(s,12); rng=np.random.default_rng(11); f=m.activation.function; grid=np.linspace(1.5,3.6,16); P=[];S=[];CP=[];CS=[]
for i in range(trials):
    X=rng.normal(size=(m.n,m.d)); u=X[:,0]; r=m.target(u[None])+m.noise_std*rng.normal(size=m.n)
    w0=rng.normal(size=(m.width,m.d)); w0/=np.linalg.norm(w0,axis=1)[:,None]
    ro=s.get('readout','gaussian'); al=rng.normal(size=m.width) if ro=='gaussian' else rng.choice([-1.,1.],m.width) if ro=='rademacher' else np.ones(m.width)
    w=w0+m.theta*((al[:,None]*f.derivative(w0@X.T))*(r-al@f(w0@X.T)/m.width))@X/m.n
    F=f(rng.normal(size=(m.n_ridge,m.d))@w.T)/m.n_ridge**.5
    ev=np.sqrt(np.linalg.eigvalsh(F.T@F)[::-1][:30])[sp:]
    q=sample_spectrum(m,first_batch(m,u[None],r))
    c=np.array([q.expected_above(x) for x in grid])
    P.append(np.interp(-(np.arange(5)+.5),-c,grid)); S.append(ev[:5]); CP.append(c); CS.append([(ev>x).sum() for x in grid])
P,S=np.array(P),np.array(S)
print('ordered: predicted/simulated-1 %', np.round((P.mean(0)/S.mean(0)-1)*100,1),'se %',np.round(100*np.std(P-S,0)/trials**.5/S.mean(0),1))
for x,a,b,e in zip(grid,np.mean(CP,0),np.mean(CS,0),np.std(np.array(CP)-CS,0)/trials**.5):
    print(f'  beyond {x:.2f}: predicted {a:.2f} simulated {b:.2f} ({e:.2f})')
