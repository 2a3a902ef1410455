"""Check the pencil against large random matrices H, G: E tr Y and D' Y D on special directions."""
import sys, math
import numpy as np
from pencil.model import model_of
from pencil.labels import residual_law
from pencil.levels import Pencil
from dataclasses import replace
def check(setting, trials=6, seed=0):
    m = model_of(setting, n_alpha=3); p = Pencil(m, residual_law(m))
    rng = np.random.default_rng(seed); a = m.law.nodes.size
    V = rng.normal(size=(a, 2)); K = V@V.T*.5 + .05*np.eye(a)
    nu = p.start()
    for _ in range(300):
        at = p.at(K, nu); nu = .5*nu+.5*at.nu
    at = p.at(K, nu)
    th = np.tensordot(m.proportions, at.y, axes=1); thD = p.direction_response(at)
    d, n = m.d, m.n
    lev = np.repeat(m.eigenvalues, np.round(m.proportions*d).astype(int)); d = lev.size
    obs, obsD = [], []
    for _ in range(trials):
        Z = rng.normal(size=(n, d)); L=m.eigenvalues.size; R=m.directions
        E = np.zeros((d, R))
        for l in range(L):
            i = np.flatnonzero(lev==m.eigenvalues[l])
            for k in range(R): E[i[k], k] = m.chi[l]
        U = Z@E; r = m.target(U.T)+m.noise_std*rng.normal(size=n)
        H = Z.T@(r[:,None]*Z)/n; G = Z.T@((r**2)[:,None]*Z)/n
        S = np.sqrt(lev); X=[]
        for al in m.law.nodes:
            W = np.eye(d)+m.curvature*al*(S[:,None]*H*S)
            X.append(S[:,None]*(W@W)*S + m.incoherent*al**2*(lev[:,None]*G*lev))
        big = np.zeros((a*d,a*d))
        for i in range(a): big[i*d:(i+1)*d,i*d:(i+1)*d]=X[i]
        Y = big@np.linalg.inv(np.eye(a*d)+np.kron(K,np.eye(d))@big)
        Y4 = Y.reshape(a,d,a,d); obs.append(np.einsum('aibi->ab',Y4)/d)
        b = lev*(Z.T@r/n); cols=[b/np.linalg.norm(b)]
        learnt = np.array([p.residuals.mean(p.residuals.r*p.residuals.u[:,k]) for k in range(R)])
        mix = p.frame[1]
        for k in range(R):
            # same Gram-Schmidt order: teacher direction rotated so that mix is triangular
            v = E@ (np.linalg.qr(np.column_stack([learnt/np.linalg.norm(learnt),np.eye(R)]))[0][:,k] if R>1 else np.ones(1))
            for c in cols: v = v-c*(c@v)
            cols.append(v/np.linalg.norm(v))
        F = np.array(cols).T
        obsD.append(np.einsum('vi,avbw,wj->iajb',F,Y4,F,optimize=True).reshape(thD.shape))
    o=np.mean(obs,0); oD=np.mean(obsD,0); seD=np.std(obsD,0)/math.sqrt(trials)
    print('bulk th/obs-1', np.abs(th/o-1).max(), '  directions diag th, obs, se'); 
    print(np.round(np.diag(thD),3), np.round(np.diag(oD),3), np.round(np.diag(seD),3))
    iu=np.triu_indices(len(thD),1); z=(np.abs(thD)-np.abs(oD))[iu]/np.maximum(seD[iu],.003); print('   off-diagonal max |z|', np.round(np.abs(z).max(),1), 'rms', np.round(np.sqrt(np.mean(z**2)),2))
base=dict(n=600,d=300,width=400,activation='relu',target={'hermite':[0,1,.7]},noise_std=.5,ridge=.01,step_size=24.)
check(base)
check({**base,'target':{'expression':'z1+.8*z1*z2'}})
check({**base,'covariance':dict(eigenvalues=[.2,1.,3.],proportions=[.5,.3,.2],teacher=[.1,.2,.7])})
check({**base,'activation':'tanh'})
